"""Benchmark of what the audit log's hash chain bounds: commits a second on disks of different speed.

Each transaction writes what a typical step writes: an audit entry and an outbox row. Compared are, one after the
other: no chain (its trigger is disabled); one lane, as before migration 0026 (each session asks for lane 0); the
lanes as they are; and, without a chain, a NOTIFY in each transaction, whose lock in Postgres is held as long as
the chain's was. Slow disks are a pause before each fsync (`slow_disk`).
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import psycopg

from benchmarks.slow_disk import open_slow_postgres
from certline.models.database.migrate import upgrade
from certline.models.database.relay_bell import WAKE_CHANNEL
from tests.servers import open_postgres

FSYNC_MS = (0, 2, 10)
CLIENTS = (1, 8, 16, 64)
SECONDS = 1.0
# As many orders a second shall be possible, each with so many commits that write an entry.
ORDERS, COMMITS = 500, 4

STEP = """INSERT INTO event (type, subject, who, data)
    VALUES ('order.pending', '01KB0W3V5S8T1XQ4Z9M2N6P7RC', 'certline:worker', '{"scm_id": 7}');
    INSERT INTO outbox (event_id, exchange, routing_key, body, mandatory, attempts)
    VALUES (gen_random_uuid(), 'certline.events', 'order.pending', '{"order_id": 7}', false, 0);"""
WAYS = ("none", "one_lane", "lanes", "notify")


def main() -> None:
    """Run the benchmark and print the figures."""
    show(figures())


def show(measured: dict[str, float]) -> None:
    """Print the figures."""
    print("commits a second, each with an audit entry and an outbox row")
    print(
        f"  {'fsync':>8} {'clients':>8} {'no chain':>9} {'one lane':>9} {'lanes':>9} {'NOTIFY':>9}"
    )
    for milliseconds in FSYNC_MS:
        for clients in CLIENTS:
            name = f"commits_{milliseconds}ms_{clients}"
            with suppress(KeyError):
                row = " ".join(f"{measured[f'{name}_{way}']:9.0f}" for way in WAYS)
                print(f"  {milliseconds:5d} ms {clients:8d} {row}")
    print(f"{ORDERS} orders a second make {ORDERS * COMMITS:,} such commits")


def figures() -> dict[str, float]:
    """Return commits a second: by milliseconds of an fsync, number of clients, and way.

    Without a C compiler only those of this machine's own disk (0 ms).
    """
    found: dict[str, float] = {}
    for milliseconds in FSYNC_MS:
        with suppress(LookupError), _database(milliseconds) as url:
            upgrade(url)
            _commits(url, 1, "lanes")  # warms up
            for clients in CLIENTS:
                for way in WAYS:
                    name = f"commits_{milliseconds}ms_{clients}_{way}"
                    found[name] = _commits(url, clients, way)
    for milliseconds in FSYNC_MS:
        name = f"commits_{milliseconds}ms"
        with suppress(KeyError):
            most = {way: max(found[f"{name}_{each}_{way}"] for each in CLIENTS) for way in WAYS}
            found[f"lanes_share_{milliseconds}ms"] = most["lanes"] / most["none"]
            found[f"lanes_most_{milliseconds}ms"] = most["lanes"]
            found[f"one_lane_most_{milliseconds}ms"] = most["one_lane"]
    return found


@contextmanager
def _database(milliseconds: int) -> Iterator[str]:
    opened = open_slow_postgres(milliseconds) if milliseconds else open_postgres(private=True)
    with opened as postgres, postgres.database() as url:
        yield url


def _commits(url: str, clients: int, way: str) -> float:
    """Return the commits a second of so many clients."""
    switch = "ENABLE" if way in {"one_lane", "lanes"} else "DISABLE"
    with psycopg.connect(url) as owner:
        owner.execute(f"ALTER TABLE event {switch} TRIGGER event_chained".encode())
    step = STEP + (f"NOTIFY {WAKE_CHANNEL};" if way == "notify" else "")
    sessions = [psycopg.connect(url, autocommit=True) for _ in range(clients)]
    if way == "one_lane":
        for session in sessions:
            session.execute("SET certline.audit_lane = 0")
    start = time.monotonic()

    def work(session: psycopg.Connection) -> int:
        done = 0
        while time.monotonic() - start < SECONDS:
            session.execute(step.encode())  # one round trip, and one transaction
            done += 1
        return done

    with ThreadPoolExecutor(clients) as pool:
        done = sum(pool.map(work, sessions))
    seconds = time.monotonic() - start
    for session in sessions:
        session.close()
    return done / seconds


if __name__ == "__main__":
    main()
