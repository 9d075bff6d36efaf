"""Simulation of a year under the rules of 2029: 300 domains of ten days, a thousand certificates of 47 days.

Real: the producer's own code (the clock's tick with its schedules, the planning of validations and of renewals,
decisions, commands), the end of a validation (`models.domains.outcome`), and Postgres with a clock that the test
moves. Not real: workers, the relay, RabbitMQ, the DNS and SCM; a stand-in validates each domain and stores each
renewal on the day on which it was requested.
"""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import func, select, text, update

from certline.models import (
    AutoRenewDecision,
    AutoRenewRule,
    AutoValidationDecision,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Domain,
    Schedule,
    Validation,
)
from certline.models.audit.identity import Identity
from certline.models.domains.outcome import complete
from certline.models.domains.validation import begin_validation
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.states import Decision, DecisionCode, ValidationMethod
from certline.producers.domains.settings import enable_validation
from certline.producers.renewals.auto_renew import go_on
from certline.producers.renewals.settings import add_rule, enable
from certline.producers.schedule import tick
from tests.integration.producers.estate import (
    DAY,
    an_estate,
    certificates_of,
    relay_what_waits,
    renew_what_was_asked_for,
)
from tests.support.factories import a_domain
from tests.support.movable_clock import MovedDatabase, moved_database

pytestmark = pytest.mark.slow

CERTIFICATES, DOMAINS = 1000, 300
LIFETIME = timedelta(days=47)
YEAR = 365
SETTLE = timedelta(minutes=15)
# After the day from which a validation may be reused for ten days (ballot SC-081v3).
BEGIN = datetime.combine(date(2029, 6, 1), time(6), UTC)
WHO = Identity("os:ida")


@pytest.mark.timeout(1200)  # two minutes on an idle machine
def test_a_year_of_300_domains_that_are_validated_every_ten_days(database_url: str) -> None:
    names = [f"d{number}.example" for number in range(DOMAINS)]
    with moved_database(database_url) as database:
        database.set_clock(BEGIN)
        with database.transaction() as db:
            account = an_estate(db)
            for number, name in enumerate(names):
                ends = BEGIN.date() + timedelta(days=1 + number % 10)
                db.add(
                    a_domain(
                        account_id=account.id,
                        scm_id=50_000 + number,
                        name=name,
                        validation_expires=ends,
                    )
                )
            begins = [BEGIN - number * DAY for number in range(3)]
            certificates_of(
                db, account, CERTIFICATES, begins=begins, lifetime=LIFETIME, below=names
            )
            enable(db, [account], days=30, cap=None, who=WHO)
            add_rule(db, AutoRenewRule(created_by="ida"), who=WHO)
            enable_validation(db, account, days=30, cap=None, who=WHO)
            others = update(Schedule).where(Schedule.name.in_(("sync", "poll", "sweep")))
            db.execute(others.values(enabled=False))

        done = Counter[int]()
        for number in range(YEAR):
            done[number] = a_day(database, number)

        no_renewal_has_waited(database)
        no_validation_has_ended_meanwhile(database)
        nothing_was_validated_without_need(database, done)


def a_day(database: MovedDatabase, number: int) -> int:
    """Simulate a day: the clock ticks in the morning. Returns how many domains were validated."""
    now = BEGIN + number * DAY
    database.set_clock(now)
    if number % 30 == 15:
        clean_up(database)
    tick(database, SETTLE)
    while go_on(database):
        pass
    with database.transaction() as db:
        relay_what_waits(db)
        renew_what_was_asked_for(db, now, LIFETIME)
    return validate_what_was_asked_for(database, now)


def validate_what_was_asked_for(database: MovedDatabase, now: datetime) -> int:
    """Complete each requested validation at once, in place of a worker, the DNS and SCM."""
    with database.transaction() as db:
        account_id = db.scalars(select(Domain.account_id).distinct()).one()
        query = select(Command).where(
            Command.type == CommandType.VALIDATE, Command.status == CommandStatus.QUEUED
        )
        commands = db.scalars(query).all()
        for command in commands:
            row = begin_validation(
                db,
                account_id,
                command.payload["domain"],
                method=ValidationMethod.CNAME,
                dns=None,
                email=None,
                before=None,
                command_id=command.id,
                requested_by=WHO,
            )
            row.withdrawn_at = now
            complete(db, row, ReuseRules(now.date()).usable_until(now.date()))
            command.status = CommandStatus.DONE
    return len(commands)


def clean_up(database: MovedDatabase) -> None:
    """Vacuum in place of autovacuum, which runs once a minute: too rarely for the simulated days."""
    with database.engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(
            text(
                'VACUUM (ANALYZE) account, certificate, command, domain_validation, line, "order", outbox'
            )
        )


def no_renewal_has_waited(database: MovedDatabase) -> None:
    with database.transaction() as db:
        waited = select(func.count()).where(AutoRenewDecision.code == DecisionCode.VALIDATION_ENDED)
        assert db.scalar(waited) == 0
        active = select(func.count()).where(
            Certificate.status == CertificateStatus.ACTIVE,
            Certificate.not_after > BEGIN + YEAR * DAY,
        )
        assert db.scalar(active) == CERTIFICATES


def no_validation_has_ended_meanwhile(database: MovedDatabase) -> None:
    with database.transaction() as db:
        ends = db.scalar(select(func.min(Domain.validation_expires)))
        refused = select(func.count()).where(AutoValidationDecision.decision != Decision.RENEWED)
        assert db.scalar(refused) == 0
        # The days between two validations of a domain are fewer than one may be reused.
        spans = """
            SELECT max(gap) FROM (
                SELECT ended_at - lag(ended_at) OVER (PARTITION BY domain ORDER BY ended_at) AS gap
                FROM domain_validation
            ) AS gaps
        """
        longest = db.scalar(text(spans))
    assert ends is not None
    assert ends > (BEGIN + (YEAR - 1) * DAY).date()
    assert longest < timedelta(days=10)


def nothing_was_validated_without_need(database: MovedDatabase, done: Counter[int]) -> None:
    """Each domain is validated when about a third of ten days is left: every six or seven days."""
    with database.transaction() as db:
        counts = dict(
            db.execute(select(Validation.domain, func.count()).group_by(Validation.domain)).all()
        )
    assert len(counts) == DOMAINS
    assert max(counts.values()) <= YEAR / 6 + 2
    assert done.total() == sum(counts.values())
    # Ten domains end on each of ten days at first: the cap spreads them, and no day is a cliff.
    assert max(done.values()) <= 3 * DOMAINS / 6
