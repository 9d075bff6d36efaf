"""Two processes share an account's rate: together they exceed it by the turns that they hold, and no more."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from certline.models import CallKind, Database
from certline.models.accounts.rate_limit import BURST
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.turns import turns_together
from tests.integration.workers.conftest import Bench
from tests.integration.workers.trouble import all_calls

RATE = 40
SECONDS = 2.0
THREADS = 4


@pytest.fixture
def processes(bench: Bench) -> Iterator[list[WorkerContext]]:
    """Yield the worker contexts of two processes, at RATE calls a second."""
    settings = bench.line.settings.replace(rate_read=RATE)
    databases = [Database(bench.database.url, pool_size=THREADS) for _ in range(2)]
    yield [WorkerContext(database, bench.line.vault, settings) for database in databases]
    for database in databases:
        database.close()


def test_two_processes_exceed_the_rate_by_the_turns_they_hold_at_most(
    bench: Bench, processes: list[WorkerContext]
) -> None:
    account, before = bench.account(), all_calls(bench)
    together = threading.Barrier(2 * THREADS)
    ends: list[float] = []

    def read_on(context: WorkerContext) -> None:
        together.wait(30)
        begun = time.monotonic()
        while time.monotonic() - begun < SECONDS:
            context.scm(account).organizations()
        ends.append(time.monotonic() - begun)

    with ThreadPoolExecutor(2 * THREADS) as pool:
        list(pool.map(read_on, processes * THREADS))

    calls, longest = all_calls(bench) - before, max(ends)
    held = len(processes) * turns_together(RATE)
    assert calls <= RATE * longest + BURST[CallKind.READ] + held + 1
    assert calls > RATE  # the limit is what held them, not the machine
