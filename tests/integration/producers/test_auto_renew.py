"""A run of the auto-renewal: what is due is renewed once, and what is not has its reason."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models import (
    Account,
    AccountStatus,
    AutoRenewDecision,
    AutoRenewRun,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Domain,
    Event,
    Line,
    Order,
    OrderKind,
    Organization,
    Outbox,
    Profile,
)
from models.auto_renewal import AutoRenewRule
from models.auto_renewal_audit import Decided, Decision, counts_of, decisions_of
from models.command import finish
from models.event import history
from models.figures import figures
from models.kinship import Kin, join_lines
from models.renewal_backoff import renewal_failed
from models.renewal_estate import selected_of
from models.session import clock
from producers import auto_renew
from producers.auto_renew import go_on, start_run
from producers.renewal_settings import add_rule, choose, disable, drop_everything, enable
from tests.factories import a_certificate, an_order
from tests.integration.producers.estate import DAY, an_estate, certificates_of

LIFETIME = timedelta(days=47)


def an_account_with(
    db: Session, count: int, *, age: float = 45, cap: int | None = 1000
) -> list[str]:
    """So many certificates of that age in days, all selected; with their 45 days they are due."""
    account = an_estate(db)
    begins = [clock(db, -age * DAY)]
    ids = certificates_of(db, account, count, begins=begins, lifetime=LIFETIME)
    add_rule(db, AutoRenewRule(created_by="ida"), who="ida")
    enable(db, [account], days=30, cap=cap, who="ida")
    return ids


def run(database: Database) -> dict[str, Decided]:
    """A whole run; what it decided, by the certificate's id."""
    with database.transaction() as db:
        start_run(db)
    while go_on(database):
        pass
    with database.transaction() as db:
        last = db.scalars(select(AutoRenewRun).order_by(AutoRenewRun.started_at.desc())).first()
        assert last is not None
        return {each.row.certificate_id: each for each in decisions_of(db, [last.id])}


def asked(database: Database) -> list[str | None]:
    """The certificates for which a renewal was asked, each as often as it was."""
    with database.transaction() as db:
        return list(db.scalars(select(Command.subject).where(Command.type == CommandType.RENEW)))


def set_on(db: Session, table: type[Any], **values: Any) -> None:
    """Set columns of every row."""
    db.execute(update(table).values(**values))


def test_what_is_due_is_renewed_once_and_what_is_not_is_left(database: Database) -> None:
    with database.transaction() as db:
        due, fresh = an_account_with(db, 2)
        young = {"not_before": clock(db, -DAY), "not_after": clock(db, 46 * DAY)}
        db.execute(update(Certificate).where(Certificate.id == fresh).values(**young))

    first, second = run(database), run(database)

    assert {own_id: each.decision for own_id, each in first.items()} == {due: Decision.RENEWED}
    assert second[due].decision is Decision.SKIPPED
    assert "a renewal is asked for" in str(second[due].reason)
    assert asked(database) == [due]
    with database.transaction() as db:
        [command] = db.scalars(select(Command).where(Command.type == CommandType.RENEW))
        row = first[due].row
        assert (command.id, command.correlation_id) == (row.command_id, row.run_id)
        assert (command.requested_by, command.source) == ("auto-renew", "producer")
        assert row.selected_by == "ida"
        later = db.get_one(Certificate, fresh)
        assert later.auto_renew
        assert later.renews_at is not None
        assert later.renews_at < later.not_after - LIFETIME / 3


def test_several_producers_at_once_renew_nobody_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto_renew, "PIECE", 3)
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
    monkeypatch.setattr(auto_renew, "PIECE", 2)
    with database.transaction() as db:
        ids = an_account_with(db, 5)
        start_run(db)
    go_on(database)
    with monkeypatch.context() as dying:
        dying.setattr(auto_renew, "entry", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            go_on(database)
    assert len(asked(database)) == 2

    while go_on(database):
        pass

    assert sorted(map(str, asked(database))) == sorted(ids)
    with database.transaction() as db:
        told = select(func.count()).where(Event.type == "auto_renew.completed")
        assert db.scalar(told) == 1


def test_a_run_that_had_nothing_to_do_is_there_too(database: Database) -> None:
    database.run(an_estate)

    assert run(database) == {}

    with database.transaction() as db:
        [only] = db.scalars(select(AutoRenewRun))
        assert (only.looked_at, only.requested_by) == (0, "schedule")
        [event] = db.scalars(select(Outbox).where(Outbox.routing_key == "auto_renew.completed"))
        assert event.body["data"]["due"] == 0
        assert figures(db)["certline_auto_renew_good_run_seconds"] >= 0


def its_line(db: Session, own_id: str) -> Line:
    """The line of a certificate."""
    return db.get_one(Line, db.get_one(Certificate, own_id).line_id)


def its_order(db: Session, own_id: str) -> Order:
    """The order of a certificate."""
    return db.get_one(Order, db.get_one(Certificate, own_id).order_id)


def test_each_refusal_has_its_reason_its_row_and_its_event(database: Database) -> None:
    with database.transaction() as db:
        by_scm, renewed, open_, newer, waits, rests, no_org, no_profile = an_account_with(db, 8)
        its_order(db, by_scm).scm_auto_renew = True
        its_order(db, renewed).scm_renewed = True
        line = its_line(db, open_)
        account = db.get_one(Account, line.account_id)
        an_order(
            db,
            account,
            kind=OrderKind.REISSUE,
            status="review",
            line_id=line.id,
            predecessor_id=open_,
        )
        stored = an_order(db, account, status="stored", line_id=its_line(db, newer).id)
        a_certificate(
            db, stored, line_id=stored.line_id, not_before=clock(db), not_after=clock(db, LIFETIME)
        )
        renewal_failed(db, its_line(db, waits).id, permanent=True, reason="SCM: -36")
        renewal_failed(db, its_line(db, rests).id, permanent=False, reason="SCM was away")
        its_order(db, no_org).organization_id = 9199
        its_order(db, no_profile).profile_id = 99

    decided = run(database)

    said = {own_id: (each.decision, each.reason or "") for own_id, each in decided.items()}
    for own_id, decision, words in (
        (by_scm, Decision.REFUSED, "SCM's own auto-renew is on"),
        (renewed, Decision.REFUSED, "SCM says that it was renewed"),
        (open_, Decision.SKIPPED, "a reissue is on its way"),
        (newer, Decision.REFUSED, "newer certificate in force"),
        (waits, Decision.REFUSED, "a person has to look: failed 1 times, last: SCM: -36"),
        (rests, Decision.HELD, "SCM was away; tried again"),
        (no_org, Decision.REFUSED, "organization: 'Nordhafen AG' is gone at SCM"),
        (no_profile, Decision.REFUSED, "profile: 'OV Single' is gone at SCM"),
    ):
        assert said[own_id][0] is decision, said[own_id]
        assert words in said[own_id][1]
        with database.transaction() as db:
            assert history(db, own_id)[-1].type == f"auto_renew.{decision}"
    assert asked(database) == []
    with database.transaction() as db:
        [event] = db.scalars(select(Outbox).where(Outbox.routing_key == "auto_renew.completed"))
        data = event.body["data"]
        assert (data["refused"], data["skipped"], data["held"], data["renewed"]) == (6, 1, 1, 0)
        assert {each["certificate_id"] for each in data["refusals"]} == {
            own_id for own_id, each in said.items() if each[0] is Decision.REFUSED
        }


@pytest.mark.parametrize(
    ("table", "values", "words"),
    [
        (Account, {"status": AccountStatus.SUSPENDED}, "is suspended"),
        (Domain, {"validation_expires": func.now() - DAY}, "the validation of nordhafen.example"),
        (Domain, {"validation_status": "NOT_VALIDATED"}, "is not validated at SCM"),
        (Profile, {"gone_at": func.now()}, "is gone at SCM"),
        (Organization, {"gone_at": func.now()}, "is gone at SCM"),
    ],
)
def test_what_the_whole_account_lacks_is_a_reason_too(
    database: Database, table: type[Any], values: dict[str, Any], words: str
) -> None:
    with database.transaction() as db:
        [own_id] = an_account_with(db, 1)
        set_on(db, table, **values)

    decided = run(database)

    assert decided[own_id].decision is Decision.REFUSED
    assert words in str(decided[own_id].reason)
    assert asked(database) == []


def test_the_cap_holds_back_what_is_not_urgent_and_says_until_when(database: Database) -> None:
    with database.transaction() as db:
        an_account_with(db, 5, age=40, cap=2)

    first, second = run(database), run(database)

    assert sorted(each.decision for each in first.values()) == [
        *[Decision.HELD] * 3,
        *[Decision.RENEWED] * 2,
    ]
    held = [each for each in first.values() if each.decision is Decision.HELD]
    assert all("the cap of 2 a day is reached" in str(each.reason) for each in held)
    # A second run on the same day has no room of its own.
    assert {each.decision for each in second.values()} == {Decision.HELD, Decision.SKIPPED}
    assert len(asked(database)) == 2


def test_a_certificate_that_expired_while_nobody_was_there_is_still_renewed(
    database: Database,
) -> None:
    with database.transaction() as db:
        [known] = an_account_with(db, 1, age=50)
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


def test_rules_include_what_comes_later_and_a_choice_counts_more(database: Database) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        shop, mail, other = certificates_of(db, account, 3, begins=[clock(db)], lifetime=LIFETIME)
        db.execute(
            update(Certificate).where(Certificate.id == other).values(common_name="see.example")
        )
        [setting] = enable(db, [account], days=30, cap=None, who="ida")
        add_rule(db, AutoRenewRule(name="*.nordhafen.example", created_by="ida"), who="ida")
        rows = [db.get_one(Certificate, own_id) for own_id in (mail, other)]
        choose(db, rows[:1], selected=False, who="kim")
        choose(db, rows[1:], selected=True, days=5, who="kim")
        late = a_certificate(
            db,
            an_order(db, account, status="stored", common_name="late.nordhafen.example"),
            not_before=clock(db),
            not_after=clock(db, LIFETIME),
        ).id

        found = {each.id: each for each in selected_of(db, setting)}

        assert set(found) == {shop, other, late}
        assert (found[other].by, found[other].span.lead) == ("kim", 5 * DAY)
        assert (found[late].by, found[late].span.lead) == ("ida", LIFETIME / 3)
        db.expire_all()
        assert [db.get_one(Certificate, own_id).auto_renew for own_id in (shop, mail, other)] == [
            True,
            False,
            True,
        ]

        disable(db, [account], who="ida")
        db.expire_all()
        off = db.get_one(Certificate, shop)
        assert (off.auto_renew, off.renews_at) == (True, None)

        assert drop_everything(db, account, who="ida") == 2
        drop_everything(db, None, who="ida")
        assert selected_of(db, setting) == []


def test_what_was_said_of_a_certificate_stays_when_its_line_joins_another(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        ids = certificates_of(db, account, 2, begins=[clock(db)], lifetime=LIFETIME)
        old, new = (its_line(db, own_id).id for own_id in ids)
        [setting] = enable(db, [account], days=30, cap=None, who="ida")
        choose(db, [db.get_one(Certificate, ids[1])], selected=True, days=7, who="kim")

        join_lines(db, [Kin("a", 1, True, old), Kin("b", 2, False, new)])
        db.expire_all()

        assert {each.span.days for each in selected_of(db, setting)} == {7}


def test_an_audit_outlives_its_certificate(database: Database) -> None:
    with database.transaction() as db:
        [own_id] = an_account_with(db, 1)
    run(database)

    with database.transaction() as db:
        keys = AutoRenewDecision.__table__.foreign_keys
        assert {key.column.table.name for key in keys} == {"auto_renew_run"}
        assert db.scalars(select(AutoRenewDecision.certificate_id)).all() == [own_id]
