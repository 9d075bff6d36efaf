"""Tests of SCM's rate limits and refused logins: every worker respects them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from certline.models import (
    Account,
    AccountStatus,
    CallKind,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
    RateLimit,
)
from certline.models.audit.identity import Identity
from certline.producers.requests.accounts import lift_suspension
from certline.simulator.server import Simulator
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import AccountSuspendedError, TryLater
from certline.workers.runtime.step import run
from certline.workers.scm import LoginRefused, NotAsked, TooSoon
from tests.integration.workers.conftest import STEP_OF, Bench
from tests.integration.workers.trouble import (
    DETAILS,
    ENROLL,
    a_second_later,
    all_calls,
    pass_time,
    pending,
    poll_of,
)


@pytest.fixture
def second(bench: Bench) -> Iterator[WorkerContext]:
    """Yield another process's worker context, on the same rows."""
    database = Database(bench.database.url, pool_size=2)
    yield WorkerContext(database, bench.line.vault, bench.line.settings)
    database.close()


def test_a_429_holds_everybody_back_until_scm_said(bench: Bench, second: WorkerContext) -> None:
    polled = [poll_of(bench, pending(bench, f"p{n}.nordhafen.example")) for n in range(2)]
    waiting = bench.place(common_name="order.nordhafen.example")
    bench.make_due()
    bench.fault("GET", r"/ssl/v1/\d+$", "status", status=429, retry_after=600)

    bench.run(polled[0])
    calls = all_calls(bench)
    run(second, STEP_OF[CommandType.POLL], polled[1])
    run(second, STEP_OF[CommandType.ORDER], waiting.id)
    pass_time(bench.database, 590)
    bench.make_due()
    run(second, STEP_OF[CommandType.ORDER], waiting.id)
    too_early = all_calls(bench) - calls
    pass_time(bench.database, 10)
    bench.make_due()
    run(second, STEP_OF[CommandType.ORDER], waiting.id)
    run(second, STEP_OF[CommandType.POLL], polled[1])

    assert too_early == 0
    assert all_calls(bench) - calls == 3  # the order, the poll, and the certificate
    assert bench.order(waiting).status is OrderStatus.PENDING
    assert bench.order(waiting).attempts == 1


def test_waiting_for_a_turn_costs_no_attempt_and_says_when(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        db.add(RateLimit(account_id=1, kind=CallKind.ORDER))
        db.flush()
        db.execute(update(RateLimit).values(next_at=RateLimit.next_at + timedelta(seconds=500)))

    later = bench.run(command.id)

    assert later.status is CommandStatus.QUEUED
    assert later.attempts == 0
    assert later.not_before - later.touched_at > timedelta(seconds=400)
    assert bench.order(command).status is OrderStatus.PLACED
    assert bench.order(command).attempts == 0
    assert bench.calls(ENROLL) == 0


@pytest.mark.slow
def test_a_short_wait_is_waited_out_in_the_thread(bench: Bench) -> None:
    command = bench.place()
    with bench.database.transaction() as db:
        db.add(RateLimit(account_id=1, kind=CallKind.ORDER))
        db.flush()
        db.execute(update(RateLimit).values(next_at=RateLimit.next_at + timedelta(seconds=0.5)))

    bench.run(command.id)

    assert bench.order(command).status is OrderStatus.PENDING


def test_where_postgres_does_not_answer_scm_is_not_asked(bench: Bench) -> None:
    nowhere = Database("postgresql://127.0.0.1:1/none")
    lost = WorkerContext(nowhere, bench.line.vault, bench.line.settings)
    calls = all_calls(bench)

    with pytest.raises(TooSoon, match="database"):
        lost.scm(bench.account()).organizations()
    with pytest.raises(TooSoon, match="database"):
        lost.scm(bench.account()).renew(7, "MIIC")
    with pytest.raises(TryLater, match="database"):
        lost.admit(bench.account(), CallKind.ORDER)

    assert all_calls(bench) == calls


def test_an_answer_is_kept_where_postgres_goes_away_before_it_can_be_noted(bench: Bench) -> None:
    lost = WorkerContext(bench.database, bench.line.vault, bench.line.settings)
    pacing = lost._door(bench.account()).pacing
    pacing._database = Database("postgresql://127.0.0.1:1/none")

    pacing.after("enroll", None)  # raises nothing


@pytest.mark.slow
@pytest.mark.parametrize("threads", [8])
def test_a_wrong_password_costs_one_call_a_thread_at_most(bench: Bench, threads: int) -> None:
    commands = [bench.place(common_name=f"w{n}.nordhafen.example").id for n in range(24)]
    polled = [pending(bench, f"p{n}.nordhafen.example") for n in range(12)]
    commands += [poll_of(bench, command) for command in polled]
    bench.make_due()
    bench.settings(password="another")
    calls = all_calls(bench)
    together = threading.Barrier(threads)
    database = Database(bench.database.url, pool_size=threads)
    line = WorkerContext(database, bench.line.vault, bench.line.settings)

    def work(number: int) -> None:
        together.wait(30)
        for command_id in commands[number::threads]:
            run(line, STEP_OF[bench.command(command_id).type], command_id)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    refused = all_calls(bench) - calls
    database.close()

    assert 1 <= refused <= threads
    assert bench.account().status is AccountStatus.SUSPENDED
    assert len(bench.orders_at_scm()) == len(polled)
    a_second_later(bench)
    with pytest.raises(AccountSuspendedError):
        bench.line.admit(bench.account(), CallKind.ORDER)

    bench.settings(password="secret")
    with bench.database.transaction() as db:
        lift_suspension(db, db.scalars(select(Account)).one(), who=Identity("os:test"))
    for _ in range(4):
        bench.run_due()
        bench.make_due()
    with bench.database.transaction() as db:
        statuses = set(db.scalars(select(Order.status)))
    assert statuses == {OrderStatus.STORED}


def test_whoever_reads_on_stops_where_another_process_has_met_the_refusal(bench: Bench) -> None:
    with bench.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        account.status, account.status_reason = AccountStatus.SUSPENDED, "HTTP 401"
    calls = all_calls(bench)
    other = WorkerContext(bench.database, bench.line.vault, bench.line.settings)

    with pytest.raises(NotAsked, match="HTTP 401"):
        other.scm(account).domains()
    with pytest.raises(AccountSuspendedError):
        other.admit(account, CallKind.ORDER)

    assert all_calls(bench) == calls


def test_turns_that_were_taken_together_are_forgotten_with_the_first_error(bench: Bench) -> None:
    scm = bench.line.scm(bench.account())
    scm.organizations()  # at this rate it reserves the next calls too
    bench.fault("GET", "/organization/v1", "status", status=401)
    calls = all_calls(bench)

    with pytest.raises(LoginRefused):
        scm.organizations()
    with bench.database.transaction() as db:
        account = db.scalars(select(Account)).one()
        account.status, account.status_reason = AccountStatus.SUSPENDED, "HTTP 401"
    with pytest.raises(NotAsked, match="HTTP 401"):
        scm.organizations()

    assert all_calls(bench) == calls + 1


def test_a_refusal_that_was_known_suspends_no_account_that_was_verified_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = bench.place()

    def verified_meanwhile(account: Account, _: CallKind) -> None:
        raise AccountSuspendedError(account.id, NotAsked("admit", "HTTP 401"))

    with monkeypatch.context() as patched:
        patched.setattr(bench.line, "admit", verified_meanwhile)
        bench.run(command.id)
    bench.run(command.id)

    assert bench.account().status is AccountStatus.ACTIVE
    assert bench.order(command).status is OrderStatus.PENDING


def test_a_poll_gets_through_while_others_read_as_fast_as_they_may(
    database: Database, simulator: Simulator
) -> None:
    bench = Bench(database, simulator, rate_read=20)
    bench.settings(issue_after_ms=0)
    bench.sync()
    poll = poll_of(bench, pending(bench, "poll.nordhafen.example"))
    bench.make_due()
    account = bench.account()
    bulk_database = Database(database.url, pool_size=4)
    bulk = WorkerContext(bulk_database, bench.line.vault, bench.line.settings)
    stop, reading = threading.Event(), threading.Event()

    def read_on(_: int) -> None:
        while not stop.is_set():
            bulk.scm(account).organizations()
            reading.set()

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(read_on, number) for number in range(4)]
        assert reading.wait(30)
        bench.run(poll)
        stop.set()
        for thread in running:
            thread.result(60)
    bulk_database.close()

    assert bench.calls(DETAILS) == 1


def test_each_call_is_counted_for_the_heartbeat_with_those_that_failed(bench: Bench) -> None:
    polled = poll_of(bench, pending(bench, "p.nordhafen.example"))
    before = bench.line.tally.count
    bench.fault("GET", r"/ssl/v1/\d+$", "status", status=503)
    bench.make_due()

    bench.run(polled)

    assert (bench.line.tally.count - before).errors == 1
    assert (bench.line.tally.count - before).calls == 1
    assert before.calls > 0
    assert before.errors == 0
