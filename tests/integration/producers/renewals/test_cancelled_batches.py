"""Tests of a batch that was cancelled: it gives up what has had no turn, ends with the rest, and stays so."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from certline.models import BatchStatus, Database, RenewalMember
from certline.models.audit.identity import Identity
from certline.models.renewals.batch import MemberStatus, State, counts_of, members_of
from certline.producers.renewals.batches import cancel, pause, resume
from tests.integration.producers.renewals.batch import (
    a_batch,
    asked,
    end_commands,
    pass_time,
    release,
    status_of,
    waiting,
)


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


@pytest.mark.parametrize("paused", [False, True])
def test_a_cancelled_batch_gives_up_what_has_had_no_turn_and_ends_with_the_rest(
    database: Database, *, paused: bool
) -> None:
    batch_id = a_batch(database, pace=1)
    if paused:
        pause(database, batch_id, who=Identity("os:ida"))

    assert cancel(database, batch_id, who=Identity("os:ida")) == 2
    pass_time(database, batch_id, timedelta(days=1))

    assert release(database) == 0
    assert len(asked(database)) == 1
    with database.transaction() as db:
        counts = counts_of(db, [batch_id])[batch_id]
        members = members_of(db, batch_id, [State.CANCELLED])
    assert (counts.running, counts.cancelled, counts.total) == (1, 2, 3)
    assert {each.reason for each in members} == {"os:ida cancelled the batch"}
    assert status_of(database, batch_id) is BatchStatus.RUNNING
    end_commands(database)
    release(database)
    assert status_of(database, batch_id) is BatchStatus.DONE
    assert cancel(database, batch_id, who=Identity("os:ida")) == 0
    assert not resume(database, batch_id, pace=None, who=Identity("os:ida"))


def test_a_batch_of_which_nothing_is_under_way_is_over_when_it_is_cancelled(
    database: Database,
) -> None:
    batch_id = a_batch(database, pace=1)
    end_commands(database)

    cancel(database, batch_id, who=Identity("os:ida"))

    assert status_of(database, batch_id) is BatchStatus.DONE
