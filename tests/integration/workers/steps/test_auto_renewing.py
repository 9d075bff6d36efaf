"""Test that an automatic renewal proceeds as a typed one does, up to its new certificate."""

from datetime import timedelta

from sqlalchemy import select

from certline.models import AutoRenewRun, Certificate, CertificateStatus
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.renewals.runs import decisions_of
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.settings import choose, enable
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import RENEW, stored
from tests.integration.workers.succession import go_on as go_on_with_steps
from tests.servers import until


def test_what_is_due_is_renewed_at_scm_once_and_its_successor_is_selected(bench: Bench) -> None:
    old = stored(bench)
    with bench.database.transaction() as db:
        row = db.get_one(Certificate, old.id)
        row.not_before, row.not_after = clock(db, timedelta(-80)), clock(db, timedelta(10))
        enable(db, [bench.account()], days=30, cap=None, who=Identity("os:ida"))
        choose(db, [row], selected=True, days=20, who=Identity("os:ida"))
    for _ in range(2):  # the second run finds the first one's renewal in progress
        with bench.database.transaction() as db:
            start_run(db)
        while go_on(bench.database):
            pass

    def is_there() -> bool:
        go_on_with_steps(bench, 1)
        with bench.database.transaction() as db:
            return db.get_one(Certificate, old.id).status is CertificateStatus.SUPERSEDED

    until(is_there, 60)

    assert bench.calls(RENEW) == 1
    with bench.database.transaction() as db:
        new = db.scalars(select(Certificate).where(Certificate.supersedes_id == old.id)).one()
        runs = db.scalars(select(AutoRenewRun.id).order_by(AutoRenewRun.started_at)).all()
        (decided,) = decisions_of(db, runs[:1])
        assert (new.auto_renew, new.key_id is None) == (True, False)
        assert (decided.new_certificate_id, decided.order_status) == (new.id, "stored")
        start_run(db)
    while go_on(bench.database):
        pass
    with bench.database.transaction() as db:
        later = db.get_one(Certificate, new.id)
        assert later.renews_at is not None
        # Its own renewal days passed on with the line.
        assert later.not_after - later.renews_at >= timedelta(days=20)
    assert bench.calls(RENEW) == 1
