"""What one side of `renewal_storm` is measured by: time, CPU, work in Postgres, and what SCM has afterwards."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg

from benchmarks.cpu_time import cpu_seconds, run_and_count, server_pid
from benchmarks.database_work import DatabaseWork, database_work
from benchmarks.stand_in import calls_of, orders_at
from tests.servers import PostgresServer, Process, RabbitServer

RENEWALS = int(os.environ.get("BENCH_RENEWALS", "1000"))


@dataclass(frozen=True)
class Renewal:
    """A certificate to renew, with the kind of its key; `id` is certline's."""

    id: str
    ssl_id: int
    common_name: str
    sans: list[str]
    algorithm: str


@dataclass(frozen=True)
class Figures:
    """Figures of one side: renewals a second, milliseconds of CPU, and work in Postgres, each for a renewal.

    `programs_ms`: workers, relay, producer and what requests the renewals; `servers_ms`: Postgres and RabbitMQ.
    """

    rate: float
    programs_ms: float
    servers_ms: float
    postgres_ms: float
    calls: float
    commits: float
    written: float
    fetched: float
    scanned: float


@dataclass(frozen=True)
class Servers:
    """The servers of the run, which both sides use one after the other."""

    postgres: PostgresServer
    rabbitmq: RabbitServer

    def cpu(self) -> tuple[float, float]:
        """Return the CPU seconds of Postgres, and of both servers."""
        postgres = cpu_seconds(server_pid(self.postgres))
        return postgres, postgres + cpu_seconds(server_pid(self.rabbitmq))


def measure(
    servers: Servers,
    url: str,
    scm: str,
    *,
    parts: Sequence[Process],
    begin: list[str],
    environment: dict[str, str],
    stored: str,
    given: list[object],
) -> Figures:
    """Run `begin`, wait until all is stored, end the parts, and return the figures of the time between.

    `stored`: a query for the number of stored certificates and the Unix time of the last; `given`: its parameters.
    """
    name = urlsplit(url).path.removeprefix("/")
    programs = [part.pid for part in parts]
    work = database_work(servers.postgres.url, name)
    calls, spent, (postgres, both) = calls_of(scm), cpu_seconds(*programs), servers.cpu()
    start = time.time()
    _, requesting = run_and_count(begin, environment)
    looks = 0
    with psycopg.connect(url, autocommit=True) as db:
        while True:
            row = db.execute(stored, given).fetchone()
            count, last = row if row is not None else (0, None)
            looks += 1
            if count >= RENEWALS:
                break
            if time.time() - start > 3600:
                sys.exit(f"{count} of {RENEWALS} renewals are stored after an hour")
            # Seldom, so that looking costs little: the time of the last is in the database.
            seconds_left = (time.time() - start) * (RENEWALS - count) / max(count, RENEWALS // 20)
            time.sleep(min(5, max(0.2, 0.3 * seconds_left)))
    programs_spent = cpu_seconds(*programs) - spent + requesting
    postgres_after, both_after = servers.cpu()
    for part in parts:
        part.kill()  # so that their backends end, and report all they did
    done: DatabaseWork = database_work(servers.postgres.url, name).since(work)
    written = done.inserted + done.updated + done.deleted
    return Figures(
        rate=RENEWALS / (last - start),
        programs_ms=1000 * programs_spent / RENEWALS,
        servers_ms=1000 * (both_after - both) / RENEWALS,
        postgres_ms=1000 * (postgres_after - postgres) / RENEWALS,
        calls=(calls_of(scm) - calls) / RENEWALS,
        commits=(done.commits - looks) / RENEWALS,
        written=written / RENEWALS,
        fetched=done.fetched / RENEWALS,
        scanned=done.scanned / RENEWALS,
    )


def check(before: Counter[str], scm: str, due: Sequence[Renewal]) -> None:
    """Exit with an error unless SCM has exactly one new order for each renewal."""
    made = names_at(orders_at(scm)) - before
    wanted = Counter(each.common_name for each in due)
    if made != wanted:
        sys.exit(f"lost at SCM: {wanted - made}; twice: {made - wanted}")


def names_at(orders: Sequence[dict[str, object]]) -> Counter[str]:
    """Return how often each common name was ordered."""
    return Counter(str(each["commonName"]) for each in orders)
