"""Tests of a run of auto-renewal: due certificates are renewed once despite crashes, and decisions recorded."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from certline.models import (
    Account,
    AuditEntry,
    AutoRenewDecision,
    AutoRenewRun,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Outbox,
)
from certline.models.commands.command import finish
from certline.models.database.session import clock
from certline.models.figures.catalogue import reading
from certline.models.figures.sample import figures_now
from certline.models.renewals.runs import counts_of, decisions_of
from certline.models.states import Decision
from certline.producers.renewals import decisions
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.day_plan import plan_anew
from tests.integration.producers.estate import DAY, an_estate
from tests.integration.producers.runs import LIFETIME, an_account_with, asked, run, set_on
from tests.support.factories import a_certificate, an_order


def test_what_is_due_is_renewed_once_and_what_is_not_is_left(database: Database) -> None:
    with database.transaction() as db:
        due, fresh = an_account_with(db, 2)
        young = {"not_before": clock(db, -DAY), "not_after": clock(db, 46 * DAY)}
        db.execute(update(Certificate).where(Certificate.id == fresh).values(**young))

    first, second = run(database), run(database)

    assert {own_id: each.decision for own_id, each in first.items()} == {due: Decision.RENEWED}
    assert second[due].decision is Decision.SKIPPED
    assert "a renewal has been requested" in str(second[due].reason)
    assert asked(database) == [due]
    with database.transaction() as db:
        [command] = db.scalars(select(Command).where(Command.type == CommandType.RENEW))
        row = first[due].row
        assert command.id == command.correlation_id == row.command_id
        assert (command.requested_by, command.source) == ("certline:auto-renew", "producer")
        assert row.selected_by == "ida"
        later = db.get_one(Certificate, fresh)
        assert later.auto_renew
        assert later.renews_at is not None
        assert later.renews_at < later.not_after - LIFETIME / 3


def test_several_producers_at_once_renew_nobody_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "PIECE", 3)
    with database.transaction() as db:
        ids = an_account_with(db, 20)
        start_run(db)
        start_run(db)  # one at a time
    together = threading.Barrier(4)

    def work(_number: int) -> None:
        together.wait(30)
        for _ in range(20):
            go_on(database)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    while go_on(database):
        pass

    assert sorted(map(str, asked(database))) == sorted(ids)
    with database.transaction() as db:
        [ended] = db.scalars(select(AutoRenewRun))
        assert counts_of(db, [ended.id])[ended.id] == {Decision.RENEWED: 20}
        assert (ended.looked_at, ended.ended_at is not None) == (20, True)


def test_a_run_that_dies_half_way_is_gone_on_with(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "PIECE", 2)
    with database.transaction() as db:
        ids = an_account_with(db, 5)
        start_run(db)
    go_on(database)
    with monkeypatch.context() as dying:
        dying.setattr(decisions, "entry", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go_on(database)
    assert len(asked(database)) == 2

    while go_on(database):
        pass

    assert sorted(map(str, asked(database))) == sorted(ids)
    with database.transaction() as db:
        told = select(func.count()).where(AuditEntry.type == "auto_renew.completed")
        assert db.scalar(told) == 1


def test_a_run_that_had_nothing_to_do_is_there_too(database: Database) -> None:
    database.run(an_estate)

    assert run(database) == {}

    with database.transaction() as db:
        [only] = db.scalars(select(AutoRenewRun))
        assert (only.looked_at, only.requested_by) == (0, "certline:schedule")
        [event] = db.scalars(select(Outbox).where(Outbox.routing_key == "auto_renew.completed"))
        assert event.body["data"]["due"] == 0
        assert (
            reading(
                figures_now(db), "certline_schedule_good_run_age_seconds", schedule="auto-renew"
            )
            >= 0
        )


def test_a_certificate_that_expired_while_nobody_was_there_is_still_renewed(
    database: Database,
) -> None:
    with database.transaction() as db:
        [known] = an_account_with(db, 1, age=50)
    plan_anew(database)  # while it is active
    with database.transaction() as db:
        set_on(db, Certificate, status=CertificateStatus.EXPIRED)
        account = db.scalars(select(Account)).one()
        long_gone = a_certificate(
            db, an_order(db, account, status="stored"), status=CertificateStatus.EXPIRED
        ).id

    decided = run(database)

    assert decided[known].decision is Decision.RENEWED
    assert long_gone not in decided


def test_a_renewal_that_came_to_nothing_counts_as_failed(database: Database) -> None:
    with database.transaction() as db:
        [own_id] = an_account_with(db, 1)
    run(database)
    with database.transaction() as db:
        command = db.scalars(select(Command).where(Command.type == CommandType.RENEW)).one()
        finish(db, command, CommandStatus.FAILED, error="the term is not allowed")
        ended = db.scalars(select(AutoRenewRun)).one()

        counts = counts_of(db, [ended.id])[ended.id]
        [decided] = decisions_of(db, [ended.id], decisions=[Decision.FAILED])

    assert counts == {Decision.FAILED: 1}
    assert (decided.row.certificate_id, decided.reason) == (own_id, "the term is not allowed")


def test_an_audit_outlives_its_certificate(database: Database) -> None:
    with database.transaction() as db:
        [own_id] = an_account_with(db, 1)
    run(database)

    with database.transaction() as db:
        keys = AutoRenewDecision.__table__.foreign_keys
        assert {key.column.table.name for key in keys} == {"auto_renew_run"}
        assert db.scalars(select(AutoRenewDecision.certificate_id)).all() == [own_id]
