"""Benchmark of importing 10,000 orders with the default numbers of workers, compared with a serial loop over SCM.

The loop is what a script does with `cert-manager` (PyPI): list the orders, then get the record of each order, and
the certificate if it is issued. Both call the same simulator in the same run. The loop handles a sample only, from
which its time for all orders is extrapolated; its calls are one per page, one per order and one per issued order.
The rate limit is set out of reach: the default one, 10 calls a second, would bound it before its own work does.
"""

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types
import requests
from cert_manager import SSL, Client  # type: ignore[import-untyped, unused-ignore]  # no types
from sqlalchemy import func, select

from benchmarks.stand_in import calls_of, orders_at, simulator
from certline.models import Certificate, Command, CommandStatus, Database, Order
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import ImportCommand
from certline.models.settings import VARIABLES, Settings
from certline.producers.capacity import Bound, Size, bound_of, sized
from certline.producers.requests.imports import request_import
from tests.servers import Process, open_postgres, open_rabbitmq, until
from tests.support.deployment import Plant

ORDERS = int(os.environ.get("BENCH_ORDERS", "10000"))
# Duration of a call to SCM, in milliseconds, set at the simulator.
LATENCY_MS = 20
# Orders that the loop handles.
SAMPLE = 500
# Calls per second: the highest that the setting takes, so that no call has to wait.
NO_LIMIT = 10_000
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}


@dataclass(frozen=True)
class Run:
    """Figures of one run: duration, calls to SCM, CPU seconds of the workers, and memory of the largest (MiB)."""

    seconds: float
    calls: int
    cpu: float = 0.0
    memory: float = 0.0


def main() -> None:
    """Run the benchmark and print the figures. Exits with an error if orders are missing."""
    found = figures()
    size = _default_size()
    print(f"{ORDERS:,} orders, {LATENCY_MS} ms a call, {found['certificates']:,.0f} certificates")
    print(f"  import, default settings:   {found['seconds']:7.1f} s, {found['calls']:,.0f} calls")
    print(
        f"    ({size.processes} processes of {size.threads} threads; CERTLINE_RATE_READ={NO_LIMIT})"
    )
    print(
        f"  the same once more:         {found['again']:7.1f} s, {found['again_calls']:,.0f} calls"
    )
    print(f"  serial loop, cert-manager:  {found['loop']:7.1f} s, {found['loop_calls']:,.0f} calls")
    print(f"    (the list as measured, the seconds of the rest by {SAMPLE} orders)")
    print(f"  CPU of workers, a record:   {found['cpu_ms']:7.1f} ms")
    print(f"  largest worker:             {found['memory']:7.0f} MB")
    print(f"  ratio loop / import:        {found['ratio']:7.1f}")
    print(f"  ratio of calls:             {found['calls_ratio']:7.2f}")
    print(f"  with the default rate limit {_bound().import_text(ORDERS)}")


def figures() -> dict[str, float]:
    """Run the benchmark and return its figures by name. Exits with an error if orders are missing."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        rabbitmq = stack.enter_context(open_rabbitmq())
        url = stack.enter_context(postgres.database())
        vhost = stack.enter_context(rabbitmq.vhost())
        scm = stack.enter_context(
            simulator("--latency-ms", str(LATENCY_MS), "--seed-orders", str(ORDERS))
        )
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_RATE_READ=str(NO_LIMIT)))
        plant.certline("init")
        plant.certline("license", "set", str(ORDERS))
        worker = plant.start("worker")
        for part in ("relay", "producer"):
            plant.start(part)
        plant.add_account(f"{scm}/api")
        _have_all_signed(scm)
        first = take_in(plant, scm, worker)
        again = take_in(plant, scm, worker)
        orders, certificates = counts(url)
        loop = serial_loop(scm)
    if orders != ORDERS:
        sys.exit(f"{orders} orders of {ORDERS} were imported")
    return {
        "orders": ORDERS,
        "certificates": certificates,
        "seconds": first.seconds,
        "calls": first.calls,
        "cpu_ms": 1000 * first.cpu / ORDERS,
        "memory": first.memory,
        "again": again.seconds,
        "again_calls": again.calls,
        "loop": loop.seconds,
        "loop_calls": loop.calls,
        "ratio": loop.seconds / first.seconds,
        "calls_ratio": first.calls / loop.calls,
        "seconds_at_default_rate": ORDERS / _bound().per_second,
    }


def take_in(plant: Plant, scm: str, worker: Process) -> Run:
    """Import everything and wait until the command is done."""
    before, start, spent = calls_of(scm), time.monotonic(), _cpu(worker)
    command = request_import(
        plant.database, ImportCommand(), requested_by=Identity("os:bench")
    ).command

    def ended() -> bool:
        with plant.database.transaction() as db:
            return db.get_one(Command, command.id).status is CommandStatus.DONE

    until(ended, 900, every=0.1)
    seconds = time.monotonic() - start
    return Run(seconds, calls_of(scm) - before, _cpu(worker) - spent, _largest(worker))


def counts(url: str) -> tuple[int, int]:
    """Return how many orders and certificates are in the database."""
    database = Database(url, pool_size=1)
    with database.transaction() as db:
        orders = db.scalar(select(func.count()).select_from(Order)) or 0
        certificates = db.scalar(select(func.count()).select_from(Certificate)) or 0
    database.close()
    return orders, certificates


def serial_loop(scm: str) -> Run:
    """Return the figures of the serial loop, extrapolated to all orders."""
    with requests.Session() as session:
        client = Client(
            base_url=f"{scm}/api",
            login_uri="demo",
            username=LOGIN["login"],
            password=LOGIN["password"],
            session=session,
        )
        ssl = SSL(client=client)
        before, start = calls_of(scm), time.monotonic()
        rows = list(ssl.list())
        listing = time.monotonic() - start
        list_calls = calls_of(scm) - before
        start = time.monotonic()
        sample = rows[:: max(1, len(rows) // SAMPLE)][:SAMPLE]
        asked = 0
        for row in sample:
            asked += 1
            if ssl.get(row["sslId"])["status"] == "Issued":
                ssl.collect(row["sslId"], "x509")
                asked += 1
        seconds_a_call = (time.monotonic() - start) / asked
    issued = sum(order["status"] == "Issued" for order in orders_at(scm))
    return Run(listing + seconds_a_call * (len(rows) + issued), list_calls + len(rows) + issued)


def _bound() -> Bound:
    rate = VARIABLES["rate_read"].default
    size = sized(Settings(rate_read=rate))
    return bound_of(rate, [size.threads] * size.processes)


def _default_size() -> Size:
    return sized(Settings(rate_read=NO_LIMIT))


def _have_all_signed(scm: str) -> None:
    """Make the simulator sign all certificates now.

    It signs a certificate when it is first requested, whereas a CA has done so long before an import.
    """
    # To filter by fingerprint, the simulator needs every certificate.
    url = f"{scm}/api/ssl/v1?sha1Hash=0&size=1"
    requests.get(url, headers=LOGIN, timeout=300).raise_for_status()


def _cpu(worker: Process) -> float:
    """Return the seconds of CPU that the worker processes have used."""
    times = [each.cpu_times() for each in _processes(worker)]
    return float(sum(each.user + each.system for each in times))


def _largest(worker: Process) -> float:
    return float(max(each.memory_info().rss for each in _processes(worker)) / 2**20)


def _processes(worker: Process) -> list[psutil.Process]:
    return list(psutil.Process(worker.pid).children(recursive=True))


if __name__ == "__main__":
    main()
