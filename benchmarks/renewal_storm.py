"""Benchmark of many renewals due at once, next to the same job as three plain Celery tasks, in one run.

Both sides renew the same certificates at a simulator of their own, made from the same seed: half with RSA keys of
2048 bits, half with keys on P-256, which both generate. Both have two worker processes of eight threads, one
Postgres and one RabbitMQ. They run one after the other, and alternately if there are several rounds. Every renewal
is checked: one successor at SCM and one stored certificate each.
`BENCH_RENEWALS`: number of renewals (1,000); `BENCH_ROUNDS`: rounds (1).
"""

import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests
from cryptography.fernet import Fernet
from sqlalchemy import select

from benchmarks.celery_environment import ROOT, celery_version, python
from benchmarks.cpu_time import cpu_seconds, run_and_count, server_pid
from benchmarks.database_work import DatabaseWork, database_work
from benchmarks.stand_in import calls_of, orders_at, simulator
from certline.models import Certificate, CertificateStatus, Command, CommandStatus, Order
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ImportCommand
from certline.producers.renewals.verdicts import BatchVerdict, judge_many
from certline.producers.requests.imports import request_import
from tests.servers import PostgresServer, Process, RabbitServer, open_postgres, open_rabbitmq, until
from tests.support.deployment import CERTLINE, Plant

RENEWALS = int(os.environ.get("BENCH_RENEWALS", "1000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1"))
# Orders at the simulator: more than needed, since some have expired, have other keys or can't be renewed.
SEEDED = RENEWALS * 4 + 100
# Duration of a call to SCM, in milliseconds, set at the simulator.
LATENCY_MS = 20
PROCESSES, THREADS = 2, 8
NO_LIMIT = "10000"
KEYS = (("RSA", "2048"), ("EC", "P-256"))
IDLE_SECONDS = 30


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


def main() -> None:
    """Run the benchmark and print the figures."""
    measured = figures()
    print(
        f"{RENEWALS:,} renewals due at once, {LATENCY_MS} ms a call, {ROUNDS} round(s), each side"
    )
    print(f"with {PROCESSES} processes of {THREADS} threads; Celery {celery_version()}")
    print(f"  {'':34}  certline    Celery     ratio")
    for name, what in ROWS.items():
        ours, theirs = measured[f"certline_{name}"], measured[f"celery_{name}"]
        ratio = ours / theirs if theirs else float("inf")
        print(f"  {what:34} {ours:9.1f} {theirs:9.1f} {ratio:9.2f}")
    print(f"  commits a second while idle:       {measured['idle_commits_a_second']:9.2f}")


ROWS = {
    "rate": "renewals a second",
    "programs_ms": "CPU of the programs, ms a renewal",
    "servers_ms": "CPU of both servers, ms a renewal",
    "postgres_ms": "  of which Postgres",
    "calls": "calls to SCM a renewal",
    "commits": "commits a renewal",
    "written": "rows written a renewal",
    "fetched": "rows fetched by index, a renewal",
    "scanned": "rows and index entries scanned",
}


def figures() -> dict[str, float]:
    """Run both sides and return their figures: the medians of the rounds, and the ratios.

    Exits with an error if a renewal is lost or made twice.
    """
    python()  # made before anything is measured
    ours: list[Figures] = []
    theirs: list[Figures] = []
    with ExitStack() as stack:
        servers = Servers(
            stack.enter_context(open_postgres(private=True)),
            stack.enter_context(open_rabbitmq(private=True)),
        )
        for _ in range(ROUNDS):
            due, measured, idle = certline_side(servers)
            ours.append(measured)
            theirs.append(celery_side(servers, due))
    found = {"renewals": float(RENEWALS), "idle_commits_a_second": idle}
    for side, rounds in (("certline", ours), ("celery", theirs)):
        for field in fields(Figures):
            values = [getattr(each, field.name) for each in rounds]
            found[f"{side}_{field.name}"] = statistics.median(values)
    for name in ("rate", "programs_ms", "servers_ms"):
        found[f"{name}_ratio"] = found[f"certline_{name}"] / found[f"celery_{name}"]
    return found


def certline_side(servers: Servers) -> tuple[list[Renewal], Figures, float]:
    """Import a fleet and renew RENEWALS of it. Returns these, the figures, and idle commits a second."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres.database())
        vhost = stack.enter_context(servers.rabbitmq.vhost())
        scm = stack.enter_context(_scm())
        rates = {"CERTLINE_RATE_READ": NO_LIMIT, "CERTLINE_RATE_ORDER": NO_LIMIT}
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_POLL_SECONDS="0.5", **rates))
        plant.certline("init")
        plant.certline("license", "set", str(SEEDED))
        parts = [
            plant.start("worker", "--processes", str(PROCESSES), "--threads", str(THREADS)),
            plant.start("relay"),
            plant.start("producer"),
        ]
        plant.add_account(f"{scm}/api")
        due = take_in(plant, [each["sslId"] for each in orders_at(scm)])
        before = _counted(orders_at(scm))
        idle = _idle(servers, plant, url)
        _slow_down(scm)
        with tempfile.NamedTemporaryFile("w") as listed:
            listed.write("\n".join(each.id for each in due))
            listed.flush()
            measured = _measure(
                servers,
                url,
                scm,
                parts=parts,
                begin=[*CERTLINE, "certificate", "renew", "--file", listed.name, "--yes"],
                environment=os.environ | plant.environment,
                stored="SELECT count(*), extract(epoch FROM max(c.created_at))::float8"
                " FROM certificate c WHERE c.supersedes_id = ANY(%s)",
                given=[[each.id for each in due]],
            )
        _check(before, scm, due)
    return due, measured, idle


def celery_side(servers: Servers, due: Sequence[Renewal]) -> Figures:
    """Renew the same certificates with Celery. Returns the figures."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres.database())
        vhost = stack.enter_context(servers.rabbitmq.vhost())
        scm = stack.enter_context(_scm())
        with psycopg.connect(url) as db:
            db.execute((Path(__file__).parent / "celery_stand_in" / "schema.sql").read_bytes())
            db.cursor().executemany(
                "INSERT INTO renewal (id, ssl_id, common_name, sans, algorithm)"
                " VALUES (%s, %s, %s, %s, %s)",
                [
                    (number, each.ssl_id, each.common_name, each.sans, each.algorithm)
                    for number, each in enumerate(due)
                ],
            )
        environment = os.environ | {
            "STAND_IN_DATABASE_URL": url,
            "STAND_IN_BROKER_URL": vhost,
            "STAND_IN_SCM_URL": f"{scm}/api",
            "STAND_IN_KEY": Fernet.generate_key().decode(),
            "PYTHONPATH": str(ROOT),
        }
        before = _counted(orders_at(scm))
        command = [str(python()), "-m", "celery", "-A", "benchmarks.celery_stand_in.tasks"]
        options = ["worker", "--pool", "threads", "-c", str(THREADS), "--loglevel", "info"]
        options += ["--without-gossip", "--without-mingle"]
        workers = [
            stack.enter_context(
                Process([*command, *options, "-n", f"w{number}@bench"], environment)
            )
            for number in range(PROCESSES)
        ]
        for worker in workers:
            worker.wait_for("ready.", 60)
        _slow_down(scm)
        measured = _measure(
            servers,
            url,
            scm,
            parts=workers,
            begin=[str(python()), "-m", "benchmarks.celery_stand_in.enqueue"],
            environment=environment,
            stored="SELECT count(*), extract(epoch FROM max(stored_at))::float8"
            " FROM renewal WHERE status = 'stored'",
            given=[],
        )
        _check(before, scm, due)
    return measured


def take_in(plant: Plant, numbers: Sequence[int]) -> list[Renewal]:
    """Import everything. Returns RENEWALS certificates that can be renewed, half of each kind of key."""
    command = request_import(
        plant.database, ImportCommand(), requested_by=Identity("os:bench")
    ).command

    def ended() -> bool:
        with plant.database.transaction() as db:
            return db.get_one(Command, command.id).status is CommandStatus.DONE

    until(ended, 600, every=0.2)
    with plant.database.transaction() as db:
        active = select(Certificate).where(Certificate.status == CertificateStatus.ACTIVE)
        found = db.scalars(active.order_by(Certificate.scm_id)).all()
        # A renewal of what SCM reports as renewed already would be refused.
        renewed = set(db.scalars(select(Order.scm_id).where(Order.scm_renewed)))
    fit = [each.certificate for each in judge_many(plant.database, found) if _can_be(each)]
    due: list[Certificate] = []
    for number, (algorithm, size) in enumerate(KEYS):
        kind = [
            each
            for each in fit
            if (each.key_algorithm, each.key_size) == (algorithm, size)
            and each.scm_id not in renewed
        ]
        wanted = RENEWALS // 2 if number else RENEWALS - RENEWALS // 2
        if len(kind) < wanted:
            sys.exit(f"only {len(kind)} of {len(numbers)} orders are for {algorithm} {size}")
        due += kind[:wanted]
    due.sort(key=lambda each: each.scm_id)
    return [
        Renewal(each.id, each.scm_id, each.common_name, list(each.sans), each.key_algorithm)
        for each in due
    ]


def _can_be(verdict: BatchVerdict) -> bool:
    """Return True if our check finds no problem, and SCM will not reject the renewal either.

    SCM rejects names whose validation has ended, and wildcards that were never delegated.
    """
    lapsed = any("validation" in warning for warning in verdict.warnings)
    return not (verdict.problems or lapsed or verdict.certificate.common_name.startswith("*"))


def _measure(
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


def _idle(servers: Servers, plant: Plant, url: str) -> float:
    """Return the commits a second while nothing happens, with all parts running."""
    name = urlsplit(url).path.removeprefix("/")
    with ExitStack() as stack:
        stack.enter_context(plant.start("ingress"))
        time.sleep(5)  # until what began with its start has ended
        before, start = database_work(servers.postgres.url, name), time.monotonic()
        time.sleep(IDLE_SECONDS)
        work = database_work(servers.postgres.url, name).since(before)
        return work.commits / (time.monotonic() - start)


def _check(before: Counter[str], scm: str, due: Sequence[Renewal]) -> None:
    """Exit with an error unless SCM has exactly one new order for each renewal."""
    made = _counted(orders_at(scm)) - before
    wanted = Counter(each.common_name for each in due)
    if made != wanted:
        sys.exit(f"lost at SCM: {wanted - made}; twice: {made - wanted}")


def _counted(orders: Sequence[dict[str, object]]) -> Counter[str]:
    return Counter(str(each["commonName"]) for each in orders)


@contextmanager
def _scm() -> Iterator[str]:
    with simulator("--seed-orders", str(SEEDED), "--issue-after-ms", "0") as base:
        yield base


def _slow_down(scm: str) -> None:
    requests.post(
        f"{scm}/_sim/settings", json={"latency_ms": LATENCY_MS}, timeout=10
    ).raise_for_status()


if __name__ == "__main__":
    main()
