"""Benchmark of 2,000 renewals due at once: one batch without a pace, two worker processes.

The certificates are imported from the simulator, so that names, keys and terms are mixed as in reality. Duplicates
and losses are counted at SCM and in our database; CPU times of the processes show what the bottleneck was.
`BENCH_RENEWALS`: number of renewals; `BENCH_RATE_ORDER`: limit of orders per second (default: none).
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types
import requests
from sqlalchemy import func, select

from benchmarks.stand_in import calls_of, orders_at, simulator
from certline.models import (
    BatchStatus,
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    Database,
    Order,
    OrderKind,
    OrderStatus,
    RenewalBatch,
)
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ImportCommand
from certline.models.renewals.batch import State, counts_of, members_of
from certline.producers.renewals.verdicts import BatchVerdict, judge_many
from certline.producers.requests.imports import request_import
from tests.servers import open_postgres, open_rabbitmq, until
from tests.support.deployment import Plant

RENEWALS = int(os.environ.get("BENCH_RENEWALS", "2000"))
# Orders at the simulator: more than needed, since some have expired or can't be renewed.
SEEDED = RENEWALS * 3
# Duration of a call to SCM, in milliseconds, set at the simulator.
LATENCY_MS = 20
NO_LIMIT = "100000"
RATE_ORDER = os.environ.get("BENCH_RATE_ORDER", NO_LIMIT)
# Words of the command line by which each process is recognised.
PARTS = {
    "workers": "run worker",
    "relay": "run relay",
    "producer": "run producer",
    "simulator": "simulator",
    "Postgres": "postgres",
    "RabbitMQ": "beam",
}


@dataclass(frozen=True)
class Run:
    """Figures of one batch: `seconds` from the command to the end of the batch, `checked` until it was begun.

    `cpu`: CPU seconds by process; `busy`: share of the machine's CPU time in use.
    """

    seconds: float
    checked: float
    calls: int
    cpu: Mapping[str, float]
    busy: float


def main() -> None:
    """Run the benchmark and print the figures. Exits with an error if a renewal is lost or made twice."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        rabbitmq = stack.enter_context(open_rabbitmq())
        url = stack.enter_context(postgres.database())
        vhost = stack.enter_context(rabbitmq.vhost())
        scm = stack.enter_context(simulator("--seed-orders", str(SEEDED)))
        rates = {"CERTLINE_RATE_READ": NO_LIMIT, "CERTLINE_RATE_ORDER": RATE_ORDER}
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_POLL_SECONDS="0.5", **rates))
        plant.certline("init")
        plant.certline("license", "set", str(SEEDED))
        for part in (("worker", "--processes", "2"), ("relay",), ("producer",)):
            plant.start(*part)
        plant.add_account(f"{scm}/api")
        due = take_in(plant, scm)
        before = len(orders_at(scm))
        run = renew(plant, scm, due)
        made = len(orders_at(scm)) - before
        lost, twice = losses(plant.database)
        why = reasons(plant.database)
    if (made, lost, twice) != (RENEWALS, 0, 0):
        sys.exit(f"{made} made at SCM, {lost} lost, {twice} twice\n{why}")
    spent = sum(run.cpu.values())
    shares = ", ".join(f"{part} {seconds / spent:.0%}" for part, seconds in run.cpu.items())
    limit = "no limit" if RATE_ORDER == NO_LIMIT else f"{RATE_ORDER} orders a second"
    print(f"{RENEWALS:,} renewals due at once, {LATENCY_MS} ms a call, 2 processes, {limit}")
    print(f"  duplicates, lost:           {twice}, {lost}")
    print(f"  checked and begun:          {run.checked:6.1f} s")
    print(f"  all stored:                 {run.seconds:6.1f} s")
    print(f"  certificates a minute:      {60 * RENEWALS / run.seconds:6.0f}")
    print(f"  calls to SCM a renewal:     {run.calls / RENEWALS:6.2f}")
    print(f"  CPU: {spent / run.seconds:.2f} of {os.cpu_count()} cores ({shares})")
    print(f"       the whole machine was {run.busy:.0%} busy")


def take_in(plant: Plant, scm: str) -> list[str]:
    """Import everything. Returns the ids of RENEWALS certificates that can be renewed."""
    command = request_import(
        plant.database, ImportCommand(), requested_by=Identity("os:bench")
    ).command

    def ended() -> bool:
        with plant.database.transaction() as db:
            return db.get_one(Command, command.id).status is CommandStatus.DONE

    until(ended, 600, every=0.2)
    with plant.database.transaction() as db:
        active = select(Certificate).where(Certificate.status == CertificateStatus.ACTIVE)
        found = db.scalars(active.order_by(Certificate.not_after, Certificate.id)).all()
    verdicts = judge_many(plant.database, found)
    with plant.database.transaction() as db:
        # A renewal of what SCM reports as renewed already would be refused.
        renewed = set(db.scalars(select(Order.scm_id).where(Order.scm_renewed)))
    fit = [each.certificate for each in verdicts if _can_be(each)]
    due = [each.id for each in fit if each.scm_id not in renewed][:RENEWALS]
    if len(due) < RENEWALS:
        sys.exit(f"only {len(due)} of {len(found)} certificates can be renewed")
    requests.post(
        f"{scm}/_sim/settings", json={"latency_ms": LATENCY_MS}, timeout=10
    ).raise_for_status()
    return due


def _can_be(verdict: BatchVerdict) -> bool:
    """Return True if our check finds no problem, and SCM will not reject the renewal either.

    SCM rejects names whose validation has ended, and wildcards that were never delegated.
    """
    lapsed = any("validation" in warning for warning in verdict.warnings)
    return not (verdict.problems or lapsed or verdict.certificate.common_name.startswith("*"))


def renew(plant: Plant, scm: str, due: list[str]) -> Run:
    """Start the batch with the CLI, wait until it is done, and return its figures."""
    calls, start, spent = calls_of(scm), time.monotonic(), _cpu()
    psutil.cpu_percent()  # begins the interval that the next call measures
    with tempfile.NamedTemporaryFile("w") as listed:
        listed.write("\n".join(due))
        listed.flush()
        begun = plant.certline("--json", "certificate", "renew", "--file", listed.name, "--yes")
    batch_id = json.loads(begun)["id"]
    checked = time.monotonic() - start
    told = 0.0

    def done() -> bool:
        nonlocal told
        with plant.database.transaction() as db:
            counts = counts_of(db, [batch_id])[batch_id]
            status = db.get_one(RenewalBatch, batch_id).status
        if time.monotonic() - told > 30:
            told = time.monotonic()
            print(f"  {counts}", file=sys.stderr)
        return status is BatchStatus.DONE

    until(done, 3600, every=0.5)
    after = _cpu()
    cpu = {part: after[part] - spent[part] for part in PARTS}
    seconds = time.monotonic() - start
    return Run(seconds, checked, calls_of(scm) - calls, cpu, psutil.cpu_percent() / 100)


def losses(database: Database) -> tuple[int, int]:
    """Return (members of the batch without a stored successor, certificates with several)."""
    with database.transaction() as db:
        (batch_id,) = db.scalars(select(RenewalBatch.id)).all()
        counts = counts_of(db, [batch_id])[batch_id]
        made = db.execute(
            select(Order.predecessor_id, func.count())
            .where(Order.kind != OrderKind.IMPORT, Order.status == OrderStatus.STORED)
            .group_by(Order.predecessor_id)
        )
        several = sum(count > 1 for _, count in made)
    return counts.total - counts.renewed, several


def reasons(database: Database) -> str:
    """Return the failed members and those in review, one per line."""
    with database.transaction() as db:
        (batch_id,) = db.scalars(select(RenewalBatch.id)).all()
        return "\n".join(
            str(each) for each in members_of(db, batch_id, (State.FAILED, State.REVIEW))
        )


def _cpu() -> Counter[str]:
    """Return the CPU seconds used so far, by kind of process."""
    found: Counter[str] = Counter()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            words = " ".join([process.name(), *process.cmdline()])
            part = next((part for part, mark in PARTS.items() if mark in words), None)
            if part is not None:
                times = process.cpu_times()
                found[part] += times.user + times.system
    return found


if __name__ == "__main__":
    main()
