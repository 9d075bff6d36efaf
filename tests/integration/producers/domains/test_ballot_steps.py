"""Tests that a renewal is judged by the rule of its own day: a step of ballot SC-081v3 may end a validation."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from certline.models import AutoRenewDecision, AutoRenewRule, Certificate
from certline.models.audit.identity import Identity
from certline.models.states import Decision, DecisionCode
from certline.producers.domains.settings import enable_validation
from certline.producers.renewals.auto_renew import go_on, start_run
from certline.producers.renewals.day_plan import look_ahead
from certline.producers.renewals.settings import add_rule, enable
from tests.integration.producers.estate import DAY, an_estate, certificates_of
from tests.support.factories import a_domain
from tests.support.movable_clock import MovedDatabase, moved_database

WHO = Identity("os:ida")
DOMAIN = "ended.example"
# Of a validation that may be used until 2027-03-14, when the rule of 100 days begins; SCM shows 200 days.
MADE, SCM_SAYS = date(2026, 11, 1), date(2027, 5, 20)
BEFORE, AFTER = datetime(2027, 3, 13, 9, tzinfo=UTC), datetime(2027, 3, 16, 9, tzinfo=UTC)


@pytest.fixture
def moved(database_url: str) -> Iterator[MovedDatabase]:
    """Yield a database with a clock that can be moved."""
    with moved_database(database_url) as database:
        yield database


def due_on(database: MovedDatabase, now: datetime, *, automatic: bool = False) -> None:
    """Set the clock, and store a certificate of the domain whose renewal is due."""
    database.set_clock(now)
    with database.transaction() as db:
        account = an_estate(db)
        zone = a_domain(name=DOMAIN, validated_on=MADE, validation_expires=SCM_SAYS)
        zone.account_id = account.id
        db.add(zone)
        certificates_of(db, account, 1, begins=[now - 40 * DAY], lifetime=47 * DAY, below=[DOMAIN])
        enable(db, [account], days=30, cap=None, who=WHO)
        add_rule(db, AutoRenewRule(created_by="ida"), who=WHO)
        if automatic:
            enable_validation(db, account, days=30, cap=None, who=WHO)


def decided(database: MovedDatabase) -> AutoRenewDecision:
    """Run auto-renewal. Returns the decision about the certificate."""
    with database.transaction() as db:
        start_run(db)
    while go_on(database):
        pass
    with database.transaction() as db:
        return db.scalars(select(AutoRenewDecision)).one()


def test_a_renewal_before_the_step_relies_on_the_validation(moved: MovedDatabase) -> None:
    due_on(moved, BEFORE)

    assert decided(moved).decision is Decision.RENEWED


@pytest.mark.parametrize(
    ("automatic", "decision"), [(False, Decision.REFUSED), (True, Decision.HELD)]
)
def test_a_renewal_after_the_step_does_not_rely_on_a_validation_that_is_too_old(
    moved: MovedDatabase, automatic: bool, decision: Decision
) -> None:
    due_on(moved, AFTER, automatic=automatic)

    row = decided(moved)

    assert (row.decision, row.code) == (decision, DecisionCode.VALIDATION_ENDED)
    assert str(row.reason).startswith(f"the validation of {DOMAIN} expired on 2027-03-14")


def test_the_plan_names_a_renewal_that_the_step_will_leave_without_a_validation(
    moved: MovedDatabase,
) -> None:
    now = datetime(2027, 2, 20, 9, tzinfo=UTC)
    due_on(moved, now - 9 * DAY)
    moved.set_clock(now)
    with moved.transaction() as db:
        certificate = db.scalars(select(Certificate)).one()
        certificate.not_before, certificate.not_after = now, now + 47 * DAY
        (planned,) = look_ahead(db, 60).near

    assert planned.day > date(2027, 3, 14)
    assert str(planned.objection).startswith(f"the validation of {DOMAIN} expired on 2027-03-14")
