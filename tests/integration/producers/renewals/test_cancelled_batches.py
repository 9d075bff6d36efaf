"""Tests that a batch which was cancelled stays so."""

from collections import Counter
from datetime import timedelta

from sqlalchemy import select

from certline.models import Database, RenewalMember
from certline.models.audit.identity import Identity
from certline.models.renewals.batch import MemberStatus
from certline.producers.renewals.batches import cancel, resume
from tests.integration.producers.renewals.test_batches import a_batch, pass_time, release, waiting


def test_a_cancelled_batch_stays_cancelled(database: Database) -> None:
    batch_id = a_batch(database, pace=1)
    cancel(database, batch_id, who=Identity("os:ida"))

    pass_time(database, batch_id, timedelta(days=1))
    released = release(database)
    resumed = resume(database, batch_id, pace=1000, who=Identity("os:eve"))

    assert released == release(database) == 0
    assert not resumed or waiting(database, batch_id) == 0
    with database.transaction() as db:
        states = Counter(member.status for member in db.scalars(select(RenewalMember)))
    assert states == {MemberStatus.RELEASED: 1, MemberStatus.CANCELLED: 2}
