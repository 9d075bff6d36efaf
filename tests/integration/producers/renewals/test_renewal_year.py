"""Simulation of a year of a thousand certificates that live 47 days.

Real: the producer's own code (the clock's tick with its schedules, runs, decisions, commands and their wake-ups,
the sweep with `certificate.expiring`), Postgres with a clock that the test moves, and superseding (for one
certificate a week; for the others a statement writes the same). Not real: workers, the relay, RabbitMQ and SCM; a
stand-in stores each requested renewal on the same day, without keys and without HTTP.
"""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import func, select, text, update

from certline.models import (
    AuditEntry,
    AutoRenewDecision,
    AutoRenewRun,
    Certificate,
    CertificateStatus,
    Command,
    CommandType,
    Order,
    OrderKind,
    Schedule,
)
from certline.models.audit.identity import Identity
from certline.models.renewals.runs import counts_of
from certline.models.renewals.selection import AutoRenewRule
from certline.models.states import Decision
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
from tests.support.movable_clock import MovedDatabase, moved_database

pytestmark = pytest.mark.slow

CERTIFICATES = 1000
LIFETIME = timedelta(days=47)
WEEK, YEAR = 7, 365
SETTLE = timedelta(minutes=15)
# Half an hour after the schedule's time.
BEGIN = datetime.combine(datetime.now(UTC).date() + DAY, time(6), UTC)


@pytest.mark.timeout(900)  # a minute on an idle machine
def test_a_year_of_a_thousand_certificates_of_47_days(database_url: str) -> None:
    with moved_database(database_url) as database:
        database.set_clock(BEGIN)
        with database.transaction() as db:
            account = an_estate(db)
            # All issued within three days: a cliff.
            begins = [BEGIN - number * DAY for number in range(3)]
            certificates_of(db, account, CERTIFICATES, begins=begins, lifetime=LIFETIME)
            enable(db, [account], days=30, cap=None, who=Identity("os:ida"))
            add_rule(db, AutoRenewRule(created_by="ida"), who=Identity("os:ida"))
            others = update(Schedule).where(Schedule.name.in_(("sync", "poll")))
            db.execute(others.values(enabled=False))

        stored = [a_day(database, number) for number in range(YEAR)]

        no_certificate_has_expired(database)
        no_order_was_made_twice(database, sum(stored))
        the_audit_adds_up(database, stored)
        nobody_heard_of_an_end_that_was_near(database)
        # Renewed at a third of 47 days and the spread: twelve a year each, and at most twice the even load.
        assert 11.5 * CERTIFICATES < sum(stored) < 13 * CERTIFICATES
        assert max(stored) <= 64


def a_day(database: MovedDatabase, number: int) -> int:
    """Simulate a day. Returns how many successors were stored."""
    now = BEGIN + number * DAY
    database.set_clock(now)
    if number % WEEK < 2:  # the sweep runs each minute; in this test, once a week
        with database.transaction() as db:
            db.get_one(Schedule, "sweep").enabled = number % WEEK == 0
            relay_what_waits(db)
    if number % 60 == 30:
        clean_up(database)
    tick(database, SETTLE)
    while go_on(database):
        pass
    with database.transaction() as db:
        return renew_what_was_asked_for(db, now, LIFETIME, by_function=int(number % WEEK == 0))


def clean_up(database: MovedDatabase) -> None:
    """Vacuum in place of autovacuum, which runs once a minute: too rarely for the simulated days."""
    with database.engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text('VACUUM (ANALYZE) account, certificate, command, line, "order", outbox'))


def no_certificate_has_expired(database: MovedDatabase) -> None:
    with database.transaction() as db:
        query = select(Certificate.status, func.count()).group_by(Certificate.status)
        counts = {row[0]: row[1] for row in db.execute(query)}
        ends = db.scalar(
            select(func.min(Certificate.not_after)).where(
                Certificate.status == CertificateStatus.ACTIVE
            )
        )
    assert set(counts) == {CertificateStatus.ACTIVE, CertificateStatus.SUPERSEDED}
    assert counts[CertificateStatus.ACTIVE] == CERTIFICATES
    assert ends is not None
    assert ends > BEGIN + YEAR * DAY


def no_order_was_made_twice(database: MovedDatabase, stored: int) -> None:
    with database.transaction() as db:
        renewals = select(Order.predecessor_id).where(Order.kind == OrderKind.RENEWAL)
        predecessors = Counter(db.scalars(renewals))
        commands = db.scalar(
            select(func.count()).select_from(Command).where(Command.type == CommandType.RENEW)
        )
    assert set(predecessors.values()) == {1}
    assert (predecessors.total(), commands) == (stored, stored)


def the_audit_adds_up(database: MovedDatabase, stored: list[int]) -> None:
    with database.transaction() as db:
        runs = db.scalars(select(AutoRenewRun).order_by(AutoRenewRun.started_at)).all()
        counts = counts_of(db, [run.id for run in runs])
        told = db.scalar(
            select(func.count())
            .select_from(AuditEntry)
            .where(AuditEntry.type == "auto_renew.completed")
        )
        decided = db.scalar(select(func.count()).select_from(AutoRenewDecision))
    assert [run.started_at.date() for run in runs] == [
        (BEGIN + number * DAY).date() for number in range(YEAR)
    ]
    assert all(run.ended_at and run.looked_at == CERTIFICATES for run in runs)
    assert [counts[run.id][Decision.RENEWED] for run in runs] == stored
    assert sum(each.total() for each in counts.values()) == decided == sum(stored)
    assert told == YEAR


def nobody_heard_of_an_end_that_was_near(database: MovedDatabase) -> None:
    """At 47 days, each certificate has 30 days left once, and never 14."""
    with database.transaction() as db:
        days = select(Certificate.expiring_told, func.count()).group_by(Certificate.expiring_told)
        counts = {row[0]: row[1] for row in db.execute(days)}
        told = db.scalar(
            select(func.count())
            .select_from(AuditEntry)
            .where(AuditEntry.type == "certificate.expiring")
        )
    assert set(counts) == {None, 30}
    assert told == counts[30] > 10 * CERTIFICATES
