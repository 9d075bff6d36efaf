"""Benchmark of the audit log's hash chain: the same transactions with and without it, alternately.

Each transaction writes what a typical step writes: an audit entry, an outbox row and its NOTIFY. Without the chain
its trigger is disabled; everything else is the same.
"""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.database.migrate import upgrade
from certline.models.events.data import OrderPending
from certline.models.events.outbox import emit_event
from tests.servers import open_postgres
from tools.asyncapi.examples import EVENTS

THREADS = (1, 8)
TRANSACTIONS = 200
ROUNDS = 3


def main() -> None:
    """Run the benchmark and print the figures."""
    with open_postgres(private=True) as postgres, postgres.database() as url:
        upgrade(url)
        database = Database(url, pool_size=max(THREADS))
        measure(database, 1, 50)  # warms up pool and caches
        print(f"{TRANSACTIONS} transactions with an entry, an event and a NOTIFY, {ROUNDS} rounds")
        for threads in THREADS:
            rounds = [(plain(database, threads), chained(database, threads)) for _ in range(ROUNDS)]
            without, with_chain = (statistics.median(each) for each in zip(*rounds, strict=True))
            ratio = statistics.median(chain / bare for bare, chain in rounds)
            print(f"  {threads} at once, without the chain: {TRANSACTIONS / without:7.0f} a second")
            print(
                f"  {threads} at once, with it:           {TRANSACTIONS / with_chain:7.0f} a second"
            )
            print(f"  ratio of the times:            {ratio:7.2f}")
        database.close()


def chained(database: Database, threads: int) -> float:
    """Return the seconds taken with the chain."""
    return measure(database, threads, TRANSACTIONS)


def plain(database: Database, threads: int) -> float:
    """Return the seconds taken with the trigger disabled."""
    switch(database, "DISABLE")
    try:
        return measure(database, threads, TRANSACTIONS)
    finally:
        switch(database, "ENABLE")


def switch(database: Database, how: str) -> None:
    """Enable or disable the chain's trigger; `how` is the SQL keyword."""
    with database.transaction() as db:
        db.execute(text(f"ALTER TABLE event {how} TRIGGER event_chained"))


def measure(database: Database, threads: int, transactions: int) -> float:
    """Return the seconds that so many transactions take in so many threads."""
    ready = threading.Barrier(threads + 1)

    def work(thread: int) -> None:
        ready.wait()
        for number in range(transactions // threads):
            database.run(partial(_step, subject=f"{thread}-{number}"))

    with ThreadPoolExecutor(threads) as pool:
        done = [pool.submit(work, thread) for thread in range(threads)]
        ready.wait()
        start = time.monotonic()
        for each in done:
            each.result()
        return time.monotonic() - start


def _step(db: Session, *, subject: str) -> None:
    record(db, "order.pending", subject, who=WORKER, scm_id=7)
    event = OrderPending.model_validate(EVENTS["order.pending"])
    emit_event(db, event, subject=subject, correlation_id=None)


if __name__ == "__main__":
    main()
