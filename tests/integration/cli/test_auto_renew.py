"""CLI tests of `certline auto-renew`: human-readable output and JSON."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AutoRenewDecision,
    AutoRenewRun,
    Certificate,
    Command,
    CommandType,
    Domain,
)
from certline.models.database.session import clock
from certline.models.states import Decision, DecisionCode
from tests.integration.cli.conftest import Typist
from tests.integration.producers.estate import DAY, an_estate, certificates_of
from tests.support.factories import NOON

LIFETIME = timedelta(days=47)


def some_certificates(db: Session) -> list[str]:
    """Insert six certificates, of which one is due, and another account without any."""
    account = an_estate(db)
    an_estate(db, "see")
    begins = [clock(db, -days * DAY) for days in (40, 20, 10, 5, 2, 1)]
    return certificates_of(db, account, 6, begins=begins, lifetime=LIFETIME)


def of(account: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of that account."""
    [found] = [each for each in documents if each["account"] == account]
    return found


def test_auto_renewal_from_its_start_to_its_audit(typist: Typist) -> None:
    due, *others = typist.database.run(some_certificates)

    off = typist.json("auto-renew", "show")
    assert of("hafen", off["accounts"])["enabled"] is False
    assert "Auto-renewal is off" in typist.types("auto-renew", "plan")

    [setting] = typist.json("auto-renew", "enable", "--days", "30", "--account", "hafen")
    assert (setting["enabled"], setting["days"], setting["cap_is_named"]) == (True, 30, False)
    assert "Nothing is selected yet" in typist.err

    [rule] = typist.json("auto-renew", "select", "--name", "*.nordhafen.example")
    typist.json("auto-renew", "select", "--name", "*.nordhafen.example", code=4)
    [choice] = typist.json("auto-renew", "select", others[0], "--days", "3")
    typist.json("auto-renew", "deselect", others[1])
    assert (rule["name"], choice["days"]) == ("*.nordhafen.example", 3)
    listed = {each["id"]: each for each in typist.json("certificate", "list")}
    assert listed[due]["auto_renew"]
    assert listed[due]["renews_at"]
    assert (listed[others[1]]["auto_renew"], listed[others[1]]["renews_at"]) == (False, None)

    plan = typist.json("auto-renew", "plan", "--days", "60", "--what-if", "47")
    planned = {
        each["certificate"]: day["date"] for day in plan["plan"] for each in day["certificates"]
    }
    assert len(plan["plan"]) == 60
    assert set(planned) == {due, *others} - {others[1]}
    assert planned[due] == plan["from"]
    assert all(listed[own_id]["renews_at"][:10] == day for own_id, day in planned.items())
    [year] = plan["what_if"]
    assert (year["lifetime"], year["license_units"]) == (47, 5)
    assert {"orders_per_day", "peak", "calls_per_hour", "rate_limit_per_hour"} <= set(year)
    assert "█" in typist.types("auto-renew", "plan", "--what-if", "100")

    ran = typist.json("auto-renew", "run")
    assert (ran["looked_at"], ran["due"], ran["renewed"]) == (5, 1, 1)
    typist.json("auto-renew", "run", code=4)

    again, first = typist.json("auto-renew", "audit", "--since", "2020-01-01")
    assert [each["decision"] for each in again["decisions"]] == ["skipped"]
    [decided] = first["decisions"]
    assert (decided["certificate"], decided["decision"]) == (due, "renewed")
    assert decided["selected_by"]
    assert len(typist.json("auto-renew", "audit", "--decision", "renewed")) == 1
    assert typist.json("auto-renew", "audit", "--certificate", others[0]) == []
    assert "skipped" in typist.types("auto-renew", "audit", "--certificate", due)
    with typist.database.transaction() as db:
        assert len(db.scalars(select(AutoRenewRun)).all()) == 2
        [renewal] = db.scalars(select(Command).where(Command.type == CommandType.RENEW))
        assert renewal.subject == due

    shown = typist.json("auto-renew", "show")
    assert shown["last_run"]["skipped"] == 1
    assert shown["seconds_since_good_run"] >= 0
    assert "last run (UTC)" in typist.types("auto-renew", "show")


def test_the_plan_says_what_would_be_refused_on_its_day(typist: Typist) -> None:
    due, *_, last = typist.database.run(some_certificates)
    typist.types("auto-renew", "select", "--all")
    with typist.database.transaction() as db:
        in_ten_days = clock(db, 10 * DAY).date()
        db.execute(update(Domain).values(validation_expires=in_ten_days))

    plan = typist.json("auto-renew", "plan", "--days", "60")

    planned = {each["certificate"]: each for day in plan["plan"] for each in day["certificates"]}
    refused = [own_id for own_id, each in planned.items() if each["objection"] is not None]
    assert planned[due]["objection"] is None
    assert planned[last]["objection"].startswith("the validation of nordhafen.example")
    assert plan["would_be_refused"] == len(refused)
    assert refused == [
        each["certificate"]
        for day in plan["plan"]
        for each in day["certificates"]
        if day["date"] > in_ten_days.isoformat()
    ]
    told = typist.types("auto-renew", "plan", "--days", "60")
    assert f"Would be refused, as far as is known today: {len(refused)}" in told
    assert told.count("the validation of nordhafen.example") == 1  # one reason, not one each
    near = typist.types("auto-renew", "plan", "--days", "5")
    assert "Would be refused" not in near


def test_what_is_wrong_is_said_and_nothing_to_do_is_exit_4(typist: Typist) -> None:
    [first, *_] = typist.database.run(some_certificates)

    typist.types("auto-renew", "disable", code=4)
    typist.types("auto-renew", "select", code=2)
    typist.types("auto-renew", "select", first, "--all", code=2)
    typist.types("auto-renew", "select", "--all", "--days", "3", code=2)
    typist.types("auto-renew", "deselect", "--profile", "51", code=4)
    typist.types("auto-renew", "enable", "--days", "0", code=2)
    typist.types("auto-renew", "audit", "--since", "yesterday", code=2)
    assert "is not known" in typist.types(
        "auto-renew", "enable", "--days", "3", "--account", "x", code=1
    )
    typist.types("auto-renew", "run", code=4)

    typist.types("auto-renew", "select", "--organization", "Nordhafen AG", "--account", "hafen")
    typist.types("auto-renew", "select", "--profile", "51")
    said = typist.types("auto-renew", "enable", "--days", "30", "--cap", "1")
    assert "warning" not in said
    typist.types("auto-renew", "deselect", "--profile", "51")
    typist.types("auto-renew", "deselect", "--all")
    with typist.database.transaction() as db:
        assert not any(db.scalars(select(Certificate.auto_renew)))
        assert db.scalars(select(Account)).all()
    typist.types("auto-renew", "deselect", "--all", code=4)
    typist.types("auto-renew", "disable", "--account", "hafen")


def test_a_run_with_many_decisions_is_shown_a_screenful_at_a_time(typist: Typist) -> None:
    with typist.database.transaction() as db:
        for _ in range(2):  # the older run's decisions are beyond the limit
            run = AutoRenewRun(requested_by="os:test", started_at=clock(db), ended_at=clock(db))
            db.add(run)
            db.flush()
            db.add_all(a_refusal(run, number) for number in range(150))

    said = typist.types("auto-renew", "audit", "--decision", "refused")

    assert said.count(".nordhafen.example") == 100
    assert said.count("os:test") == 2
    assert "There may be more than these 100 decisions: --limit N" in typist.err
    assert typist.types("auto-renew", "audit", "--limit", "7").count(".nordhafen.example") == 7
    runs = typist.json("auto-renew", "audit")
    assert [len(run["decisions"]) for run in runs] == [150, 150]


def a_refusal(run: AutoRenewRun, number: int) -> AutoRenewDecision:
    return AutoRenewDecision(
        run_id=run.id,
        certificate_id=f"01HZC{number:021}",
        common_name=f"h{number}.nordhafen.example",
        not_after=NOON,
        decision=Decision.REFUSED,
        code=DecisionCode.VALIDATION_ENDED,
        selected_by="rule",
    )
