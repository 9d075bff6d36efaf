"""Two processes share an account's rate: together they exceed it by the turns that they hold, and no more."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from certline.models import Account, CallKind, Database
from certline.models.accounts.rate_limit import BURST
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.turns import turns_together
from tests.integration.workers.conftest import Bench

RATE = 40
SECONDS = 2.0
THREADS = 4


@pytest.fixture
def processes(bench: Bench) -> Iterator[list[WorkerContext]]:
    """Yield the worker contexts of two processes, at RATE calls a second."""
    settings = bench.line.settings.replace(rate_read=RATE, rate_order=RATE)
    databases = [Database(bench.database.url, pool_size=THREADS) for _ in range(2)]
    yield [WorkerContext(database, bench.line.vault, settings) for database in databases]
    for database in databases:
        database.close()


def claim_turn(context: WorkerContext, account: Account) -> None:
    """Take the turn of an order as a step does: at once if it can, otherwise waiting for it."""
    with context.database.transaction() as db:
        taken = context.provide(db, account, CallKind.ORDER)
    if not taken:
        context.admit(account, CallKind.ORDER)


def read(context: WorkerContext, account: Account) -> None:
    """Make the cheapest call."""
    context.scm(account).organizations()


@pytest.mark.parametrize(("kind", "act"), [(CallKind.READ, read), (CallKind.ORDER, claim_turn)])
def test_two_processes_exceed_the_rate_by_the_turns_they_hold_at_most(
    bench: Bench,
    processes: list[WorkerContext],
    kind: CallKind,
    act: Callable[[WorkerContext, Account], None],
) -> None:
    account = bench.account()
    together = threading.Barrier(2 * THREADS)

    def go_on(context: WorkerContext) -> tuple[int, float]:
        together.wait(30)
        begun, count = time.monotonic(), 0
        while time.monotonic() - begun < SECONDS:
            act(context, account)
            count += 1
        return count, time.monotonic() - begun

    with ThreadPoolExecutor(2 * THREADS) as pool:
        done = list(pool.map(go_on, processes * THREADS))

    calls, longest = sum(count for count, _ in done), max(seconds for _, seconds in done)
    held = len(processes) * turns_together(RATE)
    assert calls <= RATE * longest + BURST[kind] + held + 1
    assert calls > RATE  # the limit is what held them, not the machine
