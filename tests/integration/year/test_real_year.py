"""A year that runs into the rules of 2029, with everything real but RabbitMQ, the relay and the processes.

Real: the producer (schedules, plans, decisions), every step of the workers through the step runner (validations,
renewals, polls, fetches, syncs), dynamic updates of a name server with TSIG, the look at its primary and its
secondary, and the simulator of SCM over HTTP: its CA looks at the name server before it validates, and it refuses
an order whose domain is not validated by its own clock. Postgres and the simulator have the clock that the test
moves.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select, text

from certline.models import (
    Account,
    AutoRenewDecision,
    AutoRenewRule,
    AutoValidationDecision,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    DeadLetter,
    Domain,
    Order,
    OrderStatus,
    Schedule,
    Validation,
)
from certline.models.commands.payloads import OrderCommand, SyncCommand, ValidateCommand
from certline.models.orders.validation_reuse import ReuseRules
from certline.models.renewals.timing import lead_of
from certline.models.states import Decision, DecisionCode, ValidationOutcome
from certline.producers.domains.settings import enable_validation
from certline.producers.domains.validations import request_validations
from certline.producers.renewals.settings import add_rule, enable
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.orders import request_order
from tests.integration.year.line import WHO, ZONE, MovedLine, simulator_apart
from tests.servers.dns import DnsServer
from tests.support.movable_clock import move_defaults, moved_database

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)
# A thirtieth of the estate that `test_validation_year` simulates with a stand-in: each step is carried out.
DOMAINS, CERTIFICATES, DAYS = 10, 33, 365
# From then on a validation may be reused for ten days (ballot SC-081v3); the year begins three weeks before.
STEP = date(2029, 3, 15)
BEGIN = datetime.combine(date(2029, 2, 22), time(6), UTC)
END = BEGIN + DAYS * DAY
REUSE = 10
# Days before its end at which a validation is renewed at the latest, and share of them by which it may be earlier.
LEAD, SPREAD = 30, 1.2
# Simulated days between two vacuums, in place of autovacuum, which runs once a minute.
VACUUM = 10


@pytest.fixture
def line(database_url: str, dns_server: DnsServer) -> Iterator[MovedLine]:
    """Yield a line whose SCM validates by what the primary name server shows, for as long as the ballot allows."""
    with moved_database(database_url, pool_size=8) as database, simulator_apart() as (url, door):
        move_defaults(database)
        line = MovedLine(database, url, door, dns_server)
        line.at_scm(
            dcv_checks=True,
            dcv_resolver=f"{dns_server.host}:{dns_server.port}",
            dcv_after_ms=0,
            dcv_again_ms=100,
            dcv_margin_days=0,
        )
        yield line


@pytest.mark.timeout(1800)  # ten minutes on a busy machine
def test_an_estate_runs_through_a_year_of_the_rules_of_2029_without_a_person(
    line: MovedLine,
) -> None:
    names = [f"d{number}.{ZONE}" for number in range(DOMAINS)]
    an_estate(line, names)
    for number in range(DAYS):
        a_day(line, number)

    nothing_is_left_open(line)
    no_renewal_has_waited(line)
    each_validation_was_needed_and_submitted_once(line, names)
    assert line.dns.added_to(line.dns.zone_of(ZONE)) == []


def an_estate(line: MovedLine, names: Sequence[str]) -> None:
    """Validate the domains on ten days, order the certificates on the last three, and leave all to itself."""
    line.set_clock(BEGIN - 10 * DAY)
    account = line.add_account()
    line.set_domains(list(names))
    line.add_provider()
    with line.database.transaction() as db:
        # Daily drift checks, the digest and the audit log's head have years of their own.
        for name in ("poll", "digest", "audit-head"):
            db.get_one(Schedule, name).enabled = False
    request_sync(line.database, SyncCommand(), requested_by=WHO)
    line.work_until(line.now + DAY / 2)
    for day in range(10):
        line.set_clock(BEGIN + (day - 9) * DAY)
        wanted = [ValidateCommand(domain=name) for name in names[day::10]]
        request_validations(line.database, wanted, requested_by=WHO)
        line.work_until(line.now + DAY / 2)
        if day >= 7:
            order(line, names, range(day - 7, CERTIFICATES, 3))
            line.work_until(line.now + DAY / 2)
    with line.database.transaction() as db:
        account = db.get_one(Account, account.id)
        enable(db, [account], days=LEAD, cap=None, who=WHO)
        add_rule(db, AutoRenewRule(created_by="ida"), who=WHO)
        enable_validation(db, account, days=LEAD, cap=None, who=WHO)


def order(line: MovedLine, names: Sequence[str], numbers: range) -> None:
    """Order certificates of 47 days, each for one name below one of the validated domains."""
    with line.database.transaction() as db:
        valid = set(db.scalars(select(Domain.name).where(Domain.validation_expires.is_not(None))))
    usable = [name for name in names if name in valid]
    for number in numbers:
        wanted = {
            "common_name": f"n{number}.{usable[number % len(usable)]}",
            "organization": "Nordhafen University",
            "profile": "OV Short-Lived SSL",
            "term": 47,
            "key_algorithm": "EC",
            "key_size": "P-256",
        }
        request_order(
            line.database,
            line.context.vault,
            OrderCommand.model_validate(wanted),
            requested_by=WHO,
        )


def a_day(line: MovedLine, number: int) -> None:
    """Simulate a day: the producer ticks in the morning, and once more when all work is done."""
    morning = BEGIN + number * DAY
    line.set_clock(morning)
    if number % VACUUM == VACUUM - 1:
        clean_up(line)
    line.produce()
    line.work_until(morning + DAY / 2)
    line.set_clock(max(line.now, morning + DAY / 2))
    line.produce()
    line.work_until(morning + 3 * DAY / 4)


def clean_up(line: MovedLine) -> None:
    """Vacuum in place of autovacuum."""
    with line.database.engine.connect() as connection:
        own = connection.execution_options(isolation_level="AUTOCOMMIT")
        own.execute(text("VACUUM (ANALYZE)"))


def nothing_is_left_open(line: MovedLine) -> None:
    """Assert that all commands and orders have ended well, with nothing at SCM that is not here."""
    with line.database.transaction() as db:
        ends = select(Command.type, Command.status, func.min(Command.error), func.count())
        others = ends.where(Command.status != CommandStatus.DONE)
        assert db.execute(others.group_by(Command.type, Command.status)).all() == []
        assert set(db.scalars(select(Order.status).distinct())) == {OrderStatus.STORED}
        assert db.scalar(select(func.count()).select_from(DeadLetter)) == 0
        orders = db.scalars(select(Order.scm_id)).all()
        again = select(Order.predecessor_id).where(Order.predecessor_id.is_not(None))
        twice = again.group_by(Order.predecessor_id).having(func.count() > 1)
        assert db.scalars(twice).all() == []
    assert Counter(orders) == Counter(record["sslId"] for record in line.orders_at_scm())


def no_renewal_has_waited(line: MovedLine) -> None:
    """Assert that no renewal was held or refused, for a validation or for anything else but the cap."""
    with line.database.transaction() as db:
        decided = select(AutoRenewDecision.decision, AutoRenewDecision.code, func.count())
        rows = db.execute(decided.group_by(AutoRenewDecision.decision, AutoRenewDecision.code))
        counts = {(decision, code): count for decision, code, count in rows}
        active = select(func.count()).where(
            Certificate.status == CertificateStatus.ACTIVE, Certificate.not_after > END
        )
        assert db.scalar(active) == CERTIFICATES
    assert counts.pop((Decision.RENEWED, DecisionCode.DUE)) > 0
    counts.pop((Decision.HELD, DecisionCode.CAP), None)
    assert counts == {}


def each_validation_was_needed_and_submitted_once(line: MovedLine, names: Sequence[str]) -> None:
    """Assert that each validation was begun in time and no earlier than planned, and submitted once."""
    with line.database.transaction() as db:
        refused = select(func.count()).where(AutoValidationDecision.decision != Decision.RENEWED)
        assert db.scalar(refused) == 0
        rows = list(db.scalars(select(Validation).order_by(Validation.begun_at)))
    by_domain: dict[str, list[Validation]] = defaultdict(list)
    for row in rows:
        assert row.outcome is ValidationOutcome.VALIDATED, row
        assert row.error is None
        by_domain[row.domain].append(row)
    assert by_domain.keys() == set(names)
    after_step = (END.date() - STEP).days
    least, most = after_step // REUSE, math.ceil(after_step / (REUSE - REUSE / 3 * SPREAD)) + 2
    for name, its in by_domain.items():
        assert least <= sum(row.begun_at.date() >= STEP for row in its) <= most, name
        for before, after in pairwise(its):
            made, last = _days_of(before)
            left = (last - after.begun_at.date()).days
            early = lead_of(last - made, LEAD) / DAY * SPREAD
            assert 1 <= left <= early + 1, (name, made, last, after.begun_at)
        # The last one can be used beyond the end.
        assert _days_of(its[-1])[1] >= END.date()
    submitted = sum(count for call, count in line.calls().items() if "/submit/domain/" in call)
    assert submitted == len(rows)
    # The CA has found each proof at its first look.
    looks = line.looks()
    assert [look["why"] for look in looks if look["why"] is not None] == []
    assert max(Counter((look["domain"], look["at"][:10]) for look in looks).values()) == 1


def _days_of(row: Validation) -> tuple[date, date]:
    """Return the day on which a validation was made, and the last one on which it can be used."""
    assert row.ended_at is not None
    assert row.expires is not None
    made = row.ended_at.date()
    return made, min(row.expires, ReuseRules(made).usable_until(made))
