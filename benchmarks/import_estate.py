"""Benchmark of importing 10,000 orders with two worker processes, compared with a serial loop over SCM.

The loop is what a script does with `cert-manager` (PyPI): list the orders, then get the record of each order, and
the certificate if it is issued. Both call the same simulator in the same run. The loop handles a sample only, from
which its time for all orders is extrapolated; its calls are one per page, one per order and one per issued order.
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
from certline.producers.requests.imports import request_import
from tests.servers import Process, open_postgres, open_rabbitmq, until
from tests.support.deployment import Plant

ORDERS = int(os.environ.get("BENCH_ORDERS", "10000"))
# Duration of a call to SCM, in milliseconds, set at the simulator.
LATENCY_MS = 20
# Threads of each worker process; one of them is kept free of bulk work.
THREADS = os.environ.get("BENCH_THREADS", "4")
# Orders that the loop handles.
SAMPLE = 500
# Calls per second: high enough that no call has to wait.
NO_LIMIT = "10000"
LOGIN = {"login": "admin", "password": "secret", "customerUri": "demo"}


@dataclass(frozen=True)
class Run:
    """Figures of one run: duration, calls to SCM, and the memory of the largest worker process in MiB."""

    seconds: float
    calls: int
    memory: float = 0.0


def main() -> None:
    """Run the benchmark and print the figures. Exits with an error if orders are missing."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres())
        rabbitmq = stack.enter_context(open_rabbitmq())
        url = stack.enter_context(postgres.database())
        vhost = stack.enter_context(rabbitmq.vhost())
        scm = stack.enter_context(
            simulator("--latency-ms", str(LATENCY_MS), "--seed-orders", str(ORDERS))
        )
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_RATE_READ=NO_LIMIT))
        plant.certline("init")
        plant.certline("license", "set", str(ORDERS))
        worker = plant.start("worker", "--processes", "2", "--threads", THREADS)
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
    print(f"{ORDERS:,} orders, {LATENCY_MS} ms a call, {certificates:,} certificates to store")
    print(f"  import, 2 x {THREADS:>2} threads:     {first.seconds:7.1f} s, {first.calls:,} calls")
    print(f"  the same once more:         {again.seconds:7.1f} s, {again.calls:,} calls")
    print(f"  serial loop, cert-manager:  {loop.seconds:7.1f} s, {loop.calls:,} calls")
    print(f"    (the list as measured, the seconds of the rest by {SAMPLE} orders)")
    print(f"  largest worker:             {first.memory:7.0f} MB")
    print(f"  ratio loop / import:        {loop.seconds / first.seconds:7.1f}")


def take_in(plant: Plant, scm: str, worker: Process) -> Run:
    """Import everything and wait until the command is done."""
    before, start = calls_of(scm), time.monotonic()
    command = request_import(
        plant.database, ImportCommand(), requested_by=Identity("os:bench")
    ).command

    def ended() -> bool:
        with plant.database.transaction() as db:
            return db.get_one(Command, command.id).status is CommandStatus.DONE

    until(ended, 900, every=0.1)
    seconds = time.monotonic() - start
    return Run(seconds, calls_of(scm) - before, _largest(worker))


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


def _have_all_signed(scm: str) -> None:
    """Make the simulator sign all certificates now.

    It signs a certificate when it is first requested, whereas a CA has done so long before an import.
    """
    # To filter by fingerprint, the simulator needs every certificate.
    url = f"{scm}/api/ssl/v1?sha1Hash=0&size=1"
    requests.get(url, headers=LOGIN, timeout=300).raise_for_status()


def _largest(worker: Process) -> float:
    whole = psutil.Process(worker.pid)
    return float(max(each.memory_info().rss for each in whole.children(recursive=True)) / 2**20)


if __name__ == "__main__":
    main()
