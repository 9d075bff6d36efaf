"""Tests of an outage of SCM: it costs time, and nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from sqlalchemy import select

from certline.models import (
    Account,
    AccountStatus,
    AuditEntry,
    CallKind,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.accounts.breaker import MOST_FAILURES, open_breakers
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import SyncCommand
from certline.models.figures.catalogue import reading
from certline.models.figures.sample import figures_now
from certline.producers.requests.catalogue import request_sync
from certline.producers.requests.orders import request_polls
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import TryLater
from certline.workers.scm import TooSoon
from tests.integration.workers.conftest import Bench
from tests.integration.workers.succession import reissue, renewal, revocation, stored
from tests.integration.workers.trouble import (
    CHANGES,
    ENROLL,
    ORGANIZATIONS,
    all_calls,
    mend,
    open_breaker,
    pass_time,
    pending,
    poll_of,
)

pytestmark = pytest.mark.slow


def test_an_order_that_has_its_turn_is_not_sent_where_scm_has_gone_out_of_order_since(
    bench: Bench,
) -> None:
    bench.line.admit(bench.account(), CallKind.ORDER)
    open_breaker(bench)

    with pytest.raises(TooSoon):
        bench.line.scm(bench.account()).renew(7, "MIIC")

    assert bench.calls("POST /ssl/v1/renewById/{sslId}") == 0


def test_an_hour_of_maintenance_costs_nothing_but_time(bench: Bench) -> None:
    old = [stored(bench, common_name=f"old{n}.nordhafen.example") for n in range(3)]
    issued = pending(bench, "fetch.nordhafen.example")
    [asked] = request_polls(
        bench.database, [bench.order(issued).id], requested_by=Identity("os:test")
    )
    bench.run(asked.id)
    polled = [pending(bench, f"p{n}.nordhafen.example") for n in range(3)]
    unknown = bench.place(common_name="unknown.nordhafen.example")
    bench.fault("POST", "enroll", "drop_after")
    bench.run(unknown.id)
    successors = [renewal(bench, old[0]), reissue(bench, old[1])]
    revoked = revocation(bench, old[2])
    placed = [bench.place(common_name=f"o{n}.nordhafen.example") for n in range(6)]
    (sync,) = request_sync(bench.database, SyncCommand(), requested_by=Identity("os:test"))
    assert bench.order(issued).status is OrderStatus.ISSUED
    assert bench.order(unknown).status is OrderStatus.SENDING
    attempts = attempts_at_reading(bench)
    calls, sent = all_calls(bench), changes(bench)
    bench.fault(None, "", "status", status=503, times=None)

    for _ in range(60):
        pass_time(bench.database, 60)
        bench.run_due()

    with bench.database.transaction() as db:
        (breaker,) = open_breakers(db)
        at_rest = set(db.scalars(select(Order.status)))
    # Five until it opens; then a probe after 30 s, 60 s, 2, 4, 8 minutes and every 10.
    assert all_calls(bench) - calls <= MOST_FAILURES + 10
    assert changes(bench) - sent <= MOST_FAILURES
    assert breaker.failures > MOST_FAILURES
    # The first failure may count against its own request, because SCM had responded until then.
    assert attempts_at_reading(bench) - attempts <= 1
    assert OrderStatus.REVIEW not in at_rest

    mend(bench)
    for _ in range(60):
        pass_time(bench.database, 600)
        bench.run_due()

    orders = [bench.order(each) for each in (issued, *polled, unknown, *placed, *successors)]
    assert {order.status for order in orders} == {OrderStatus.STORED}
    for command in (sync, revoked):
        assert bench.command(command.id).status is CommandStatus.DONE
    # A reissue keeps its record.
    names = [order.common_name for order in orders if order.kind is not OrderKind.REISSUE]
    names += [certificate.common_name for certificate in old]
    assert sorted(record["commonName"] for record in bench.orders_at_scm()) == sorted(names)
    with bench.database.transaction() as db:
        told = list(
            db.scalars(select(AuditEntry.type).where(AuditEntry.type.startswith("breaker")))
        )
    assert told == ["breaker.opened", "breaker.closed"]


def attempts_at_reading(bench: Bench) -> int:
    """Sum the attempts of all commands but those that place orders, which run on whatever their call returns."""
    orders = (CommandType.ORDER, CommandType.RENEW, CommandType.REISSUE)
    with bench.database.transaction() as db:
        return sum(db.scalars(select(Command.attempts).where(Command.type.not_in(orders))))


def changes(bench: Bench) -> int:
    """Return how many calls to SCM were not reads."""
    counts = requests.get(f"{bench.simulator.door}/calls", timeout=30).json()
    return sum(count for call, count in counts.items() if CHANGES.search(call))


def test_half_open_an_order_waits_for_a_read_that_works(bench: Bench) -> None:
    command = bench.place()
    open_breaker(bench)
    pass_time(bench.database, 30)
    bench.fault("GET", "organization", "status", status=503)
    reads = bench.calls(ORGANIZATIONS)

    bench.run(command.id)
    refused = bench.calls(ENROLL)
    pass_time(bench.database, 300)
    bench.run(command.id)

    assert refused == 0
    assert bench.calls(ORGANIZATIONS) - reads == 2
    assert bench.order(command).status is OrderStatus.PENDING
    assert bench.order(command).attempts == 1


def test_half_open_eight_threads_make_one_probe(bench: Bench) -> None:
    open_breaker(bench)
    pass_time(bench.database, 30)
    bench.fault("GET", "organization", "delay", delay_ms=1000, times=None)
    reads = bench.calls(ORGANIZATIONS)
    database = Database(bench.database.url, pool_size=8)
    line = WorkerContext(database, bench.line.vault, bench.line.settings)
    account = bench.account()
    together = threading.Barrier(8)

    def admitted(_: int) -> bool:
        together.wait(30)
        try:
            line.admit(account, CallKind.ORDER)
        except TryLater:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        count = sum(pool.map(admitted, range(8)))
    database.close()

    assert bench.calls(ORGANIZATIONS) - reads == 1
    assert count >= 1


def test_one_record_that_scm_cannot_show_keeps_the_breaker_open_for_nobody(bench: Bench) -> None:
    """Nothing else calls SCM, so its failures are in a row; the probe makes another call."""
    broken = pending(bench, "broken.nordhafen.example")
    poll = poll_of(bench, broken)
    bench.fault("GET", rf"/ssl/v1/{bench.order(broken).scm_id}$", "status", status=500, times=None)
    for _ in range(MOST_FAILURES):
        bench.make_due()
        bench.run(poll)
    with bench.database.transaction() as db:
        assert open_breakers(db)

    pass_time(bench.database, 60)
    other = bench.place(common_name="other.nordhafen.example")
    bench.run(other.id)

    assert bench.order(other).status is OrderStatus.PENDING
    for _ in range(200):
        pass_time(bench.database, 600)
        bench.run_due()
        if bench.order(broken).status is OrderStatus.REVIEW:
            break
    assert bench.order(broken).status is OrderStatus.REVIEW
    assert bench.order(other).status is OrderStatus.STORED
    with bench.database.transaction() as db:
        assert not open_breakers(db)


def test_an_open_breaker_and_a_suspended_account_are_figures_for_a_monitor(bench: Bench) -> None:
    with bench.database.transaction() as db:
        before = figures_now(db)
    open_breaker(bench)
    with bench.database.transaction() as db:
        db.scalars(select(Account)).one().status = AccountStatus.SUSPENDED
    with bench.database.transaction() as db:
        after = figures_now(db)

    (scm,) = (labels["scm"] for labels, _ in after["certline_breaker_open"])
    assert reading(after, "certline_breaker_open", scm=scm) == 1
    assert all(value == 0 for _, value in before["certline_breaker_open"])
    assert reading(before, "certline_account_suspended", account="demo") == 0
    assert reading(after, "certline_account_suspended", account="demo") == 1
