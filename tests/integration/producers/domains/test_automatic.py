"""Tests of automatic validation: what is due, what is held, what is refused, and what renewals wait for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    AccountStatus,
    AutoRenewDecision,
    AutoRenewRule,
    AutoValidationDecision,
    Command,
    CommandType,
    Database,
    Schedule,
    Validation,
)
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.domains.outcome import complete, fail_validation
from certline.models.domains.validation import begin_validation
from certline.models.states import Decision, DecisionCode, ValidationMethod, ValidationStage
from certline.producers.domains.automatic import (
    MOST_FAILURES,
    DomainPlan,
    plan_domains,
    run_automatic,
)
from certline.producers.domains.settings import (
    disable_validation,
    enable_validation,
    select_domains,
)
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.settings import add_rule, enable
from tests.integration.producers.estate import an_estate, certificates_of
from tests.support.factories import a_domain

WHO = Identity("os:ida")
DAY = timedelta(days=1)
DOMAIN = "shop.example"
COMMAND = "0a4f3c5e-6f1b-4f2e-9d0c-7a1b5c8d2e90"


@pytest.fixture
def account(database: Database) -> Account:
    """Store an account with a domain that ends in two days, and switch automatic validation on."""
    with database.transaction() as db:
        account = an_estate(db)
        a_domain_that_ends(db, account, in_days=2)
        enable_validation(db, account, days=30, cap=None, who=WHO)
    return account


def a_domain_that_ends(db: Session, account: Account, *, in_days: int, **more: Any) -> None:
    """Insert a domain whose validation ends in so many days."""
    ends = clock(db).date() + in_days * DAY
    usual = {"account_id": account.id, "scm_id": 77, "name": DOMAIN, "validation_expires": ends}
    db.add(a_domain(**usual | more))
    db.flush()


def decisions(db: Session) -> list[tuple[str, Decision]]:
    """Return the decisions, the oldest first."""
    rows = db.scalars(select(AutoValidationDecision).order_by(AutoValidationDecision.decided_at))
    return [(row.domain, row.decision) for row in rows]


def planned_for(db: Session, domain: str) -> DomainPlan:
    """Return the plan of a domain."""
    (found,) = [each for each in plan_domains(db) if each.domain == domain]
    return found


def begun(db: Session, account: Account, command_id: str = COMMAND) -> Validation:
    """Begin a validation of the domain, as a command's step does."""
    return begin_validation(
        db,
        account.id,
        DOMAIN,
        method=ValidationMethod.CNAME,
        dns=None,
        email=None,
        before=None,
        command_id=command_id,
        requested_by=WHO,
    )


def failed(db: Session, account: Account, *, ago: timedelta) -> Validation:
    """Store a validation that has failed."""
    row = begun(db, account)
    fail_validation(db, row, "found no such name")
    assert row.stage is ValidationStage.ENDED
    row.ended_at = clock(db) - ago
    db.flush()
    return row


def test_a_validation_that_ends_soon_is_requested_once(
    database: Database, account: Account
) -> None:
    with database.transaction() as db:
        run_automatic(db)
        (command,) = db.scalars(select(Command).filter_by(type=CommandType.VALIDATE))
        begun(db, account, command.id)
        counts = run_automatic(db)

        assert decisions(db) == [(DOMAIN, Decision.RENEWED)]
    assert counts["due"] == 0


def test_a_validation_with_time_left_is_not_touched(database: Database, account: Account) -> None:
    with database.transaction() as db:
        a_domain_that_ends(db, account, in_days=150, scm_id=78, name="later.example")
        run_automatic(db)

        assert [domain for domain, _ in decisions(db)] == [DOMAIN]


def test_a_domain_that_is_left_to_a_person_is_not_validated(
    database: Database, account: Account
) -> None:
    with database.transaction() as db:
        select_domains(db, [DOMAIN], account=account.name, selected=False, days=None, who=WHO)

        assert run_automatic(db)["due"] == 0


def test_nothing_is_requested_where_it_is_off(database: Database, account: Account) -> None:
    with database.transaction() as db:
        disable_validation(db, account, who=WHO)

        assert run_automatic(db)["due"] == 0


def test_a_suspended_account_is_refused_and_told_once_a_day(
    database: Database, account: Account
) -> None:
    with database.transaction() as db:
        db.get_one(Account, account.id).status = AccountStatus.SUSPENDED
        run_automatic(db)
        run_automatic(db)

        assert decisions(db) == [(DOMAIN, Decision.REFUSED)]


@pytest.mark.parametrize(
    ("ago", "decision"),
    [(timedelta(minutes=5), Decision.HELD), (timedelta(hours=2), Decision.RENEWED)],
)
def test_after_a_failure_it_is_tried_again_an_hour_later(
    database: Database, account: Account, ago: timedelta, decision: Decision
) -> None:
    with database.transaction() as db:
        failed(db, account, ago=ago)
        run_automatic(db)

        assert decisions(db) == [(DOMAIN, decision)]


def test_a_plan_and_the_next_try_after_a_failure_name_the_same_day(
    database: Database, account: Account
) -> None:
    with database.transaction() as db:
        for _ in range(3):
            failed(db, account, ago=timedelta(minutes=5))
        planned = planned_for(db, DOMAIN)
        counts = run_automatic(db)

    assert planned.day is not None
    assert planned.verdict is not None
    assert f"next try {planned.day} " in planned.verdict[1]
    # The reason is recorded on the day on which the domain was due.
    assert counts["held"] == 1


def test_a_validation_that_failed_long_before_its_day_is_planned_for_that_day(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_estate(db)
        a_domain_that_ends(db, account, in_days=150)
        enable_validation(db, account, days=30, cap=None, who=WHO)
        before = planned_for(db, DOMAIN)
        failed(db, account, ago=timedelta(minutes=5))

        planned = planned_for(db, DOMAIN)

    assert (planned.day, planned.verdict) == (before.day, None)


def test_after_many_failures_a_person_has_to_act(database: Database, account: Account) -> None:
    with database.transaction() as db:
        for _ in range(MOST_FAILURES):
            failed(db, account, ago=3 * DAY)
        run_automatic(db)

        assert decisions(db) == [(DOMAIN, Decision.REFUSED)]
        reason = db.scalars(select(AutoValidationDecision.reason)).one()
    assert reason is not None
    assert "certline domain validate shop.example" in reason


@pytest.mark.parametrize(
    ("automatic", "decision"), [(True, Decision.HELD), (False, Decision.REFUSED)]
)
def test_a_renewal_whose_validation_has_ended_waits_where_the_domain_is_validated_by_itself(
    database: Database, account: Account, automatic: bool, decision: Decision
) -> None:
    with database.transaction() as db:
        a_domain_that_ends(db, account, in_days=-2, scm_id=78, name="ended.example")
        begins = [datetime.now(UTC) - 40 * DAY]
        certificates_of(db, account, 1, begins=begins, lifetime=47 * DAY, below=["ended.example"])
        enable(db, [account], days=30, cap=None, who=WHO)
        add_rule(db, AutoRenewRule(created_by="ida"), who=WHO)
        if not automatic:
            disable_validation(db, account, who=WHO)
        start_run(db)
    while go_on(database):
        pass

    with database.transaction() as db:
        (row,) = db.scalars(select(AutoRenewDecision))
        assert (row.decision, row.code) == (decision, DecisionCode.VALIDATION_ENDED)


def test_once_a_domain_is_validated_the_renewals_go_on_at_once(
    database: Database, account: Account
) -> None:
    with database.transaction() as db:
        schedule = db.get_one(Schedule, "auto-renew")
        schedule.next_due = clock(db) + DAY
        row = begun(db, account)
        complete(db, row, clock(db).date() + 10 * DAY)
        db.refresh(schedule)

        assert schedule.next_due <= clock(db)
