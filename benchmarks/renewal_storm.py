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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests
from cryptography.fernet import Fernet
from sqlalchemy import select

from benchmarks.celery_environment import ROOT, celery_version, python
from benchmarks.database_work import database_work
from benchmarks.stand_in import orders_at, simulator
from benchmarks.storm_measure import RENEWALS, Figures, Renewal, Servers, check, measure, names_at
from certline.models import Certificate, CertificateStatus, Command, CommandStatus, Order
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ImportCommand
from certline.producers.renewals.verdicts import BatchVerdict, judge_many
from certline.producers.requests.imports import request_import
from tests.servers import Process, open_postgres, open_rabbitmq, until
from tests.support.deployment import CERTLINE, Plant

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1"))
# Orders at the simulator: more than needed, since some have expired, have other keys or can't be renewed.
SEEDED = RENEWALS * 4 + 100
# Duration of a call to SCM, in milliseconds, set at the simulator.
LATENCY_MS = 20
PROCESSES, THREADS = 2, 8
NO_LIMIT = "10000"
KEYS = (("RSA", "2048"), ("EC", "P-256"))
# Seconds before commits are counted, until what the start brings has ended; and seconds of the count.
SETTLE_SECONDS, IDLE_SECONDS = 20, 60


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
        before = names_at(orders_at(scm))
        _analyze(url)
        idle = _idle(servers, plant, url)
        _slow_down(scm)
        with tempfile.NamedTemporaryFile("w") as listed:
            listed.write("\n".join(each.id for each in due))
            listed.flush()
            measured = measure(
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
        check(before, scm, due)
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
        _analyze(url)
        environment = os.environ | {
            "STAND_IN_DATABASE_URL": url,
            "STAND_IN_BROKER_URL": vhost,
            "STAND_IN_SCM_URL": f"{scm}/api",
            "STAND_IN_KEY": Fernet.generate_key().decode(),
            "PYTHONPATH": str(ROOT),
        }
        before = names_at(orders_at(scm))
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
        measured = measure(
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
        check(before, scm, due)
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


def _analyze(url: str) -> None:
    """Have Postgres look at the tables, as its autovacuum does a minute after they were filled."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("ANALYZE")


def _idle(servers: Servers, plant: Plant, url: str) -> float:
    """Return the commits a second while nothing happens, with all parts running."""
    name = urlsplit(url).path.removeprefix("/")
    with ExitStack() as stack:
        stack.enter_context(plant.start("ingress"))
        time.sleep(SETTLE_SECONDS)
        before, start = database_work(servers.postgres.url, name), time.monotonic()
        time.sleep(IDLE_SECONDS)
        work = database_work(servers.postgres.url, name).since(before)
        return work.commits / (time.monotonic() - start)


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
