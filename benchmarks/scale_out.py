"""Benchmark of more worker processes and relays: orders a second, by how long SCM takes for a call.

All orders wait in Postgres before the relays are started, so what is measured is the line and not who orders. Keys
are on P-256 and threads are few, so that two cores don't bound the runs at 200 and 1,000 ms a call; at 20 ms they
do. The number of orders follows from the threads, so that each run takes about as long. A run's rate is that of
the certificates stored in its middle: at its beginning threads are busy with placing, at its end some have nothing
left. Every order has to be one at SCM.
`BENCH_SCALE_SECONDS`: how long a run takes about, if nothing but SCM bounds it (8).
"""

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types
import psycopg
import requests

from benchmarks.cpu_time import cpu_seconds
from benchmarks.stand_in import calls_of, orders_at, simulator
from benchmarks.storm_measure import Servers
from tests.servers import Process, open_postgres, open_rabbitmq, until
from tests.support.deployment import CERTLINE, Plant

SECONDS = float(os.environ.get("BENCH_SCALE_SECONDS", "8"))
# The middle of a run: from this share of its certificates to that one.
BEGIN, END = 0.2, 0.9
# By the milliseconds of a call: threads of a process, and orders a second that they carry out: one of them is kept
# for orders, and the others make two calls for each.
SHAPES = {1_000: (4, 1.4), 200: (2, 2.3), 20: (2, 10.0)}
PROCESSES = (1, 2, 4)
MOST = PROCESSES[-1]
NO_LIMIT = 10_000.0
# The default rates of an account, which bound four processes at 200 ms a call.
RATE_READ, RATE_ORDER = 10.0, 2.0
# Threads that place the orders.
PLACERS = 4
# Seconds after which a run is given up.
LONGEST = 300


@dataclass(frozen=True)
class Shape:
    """A run: milliseconds of a call, worker processes, relays, and the account's rate of orders."""

    latency: int
    processes: int
    relays: int = 1
    rate_order: float = NO_LIMIT

    @property
    def is_bound(self) -> bool:
        """True if the account's rate bounds the run."""
        return self.rate_order < NO_LIMIT

    @property
    def orders(self) -> int:
        """Number of orders that take about SECONDS."""
        most = SHAPES[self.latency][1] * self.processes
        return round(SECONDS * min(most, self.rate_order))


@dataclass(frozen=True)
class Outcome:
    """Result of a run: orders a second, calls to SCM for each order, and the cores that the run kept busy."""

    rate: float
    calls: float
    cores: float


class Bench:
    """One installation, whose workers and relays are started anew for each run."""

    def __init__(self, plant: Plant, servers: Servers, url: str, scm: str, scm_pid: int) -> None:
        self._plant = plant
        self._servers = servers
        self._url = url
        self._scm = scm
        self._scm_pid = scm_pid
        self._names = 0

    def run(self, shape: Shape) -> Outcome:
        """Place the orders, start the parts, and wait until all are stored. Exits if SCM has others."""
        self._set_latency(0)
        names = self._place(shape.orders)
        with ExitStack() as stack:
            parts = [stack.enter_context(self._worker(shape))]
            until(lambda: parts[0].output.count("worker.started") == shape.processes, 60)
            self._set_latency(shape.latency)
            calls, spent = calls_of(self._scm), self._cpu(parts)
            begun = time.monotonic()
            relays = [self._start("relay") for _ in range(shape.relays)]
            parts += [stack.enter_context(relay) for relay in relays]
            stored = self._until_stored(names)
            cores = (self._cpu(parts) - spent) / (time.monotonic() - begun)
        at_scm = [each["commonName"] for each in orders_at(self._scm)]
        if sum(at_scm.count(name) for name in names) != len(names) or set(names) - set(at_scm):
            sys.exit(f"{shape}: not one order each at SCM")
        made = (calls_of(self._scm) - calls) / len(names)
        first, last = (int(len(stored) * share) for share in (BEGIN, END))
        outcome = Outcome((last - first) / (stored[last] - stored[first]), made, cores)
        print(f"  {len(names)} orders: {shape} -> {outcome}", flush=True)
        return outcome

    def _cpu(self, parts: list[Process]) -> float:
        return cpu_seconds(self._scm_pid, *(part.pid for part in parts)) + self._servers.cpu()[1]

    def _worker(self, shape: Shape) -> Process:
        threads = SHAPES[shape.latency][0]
        rates = {
            "CERTLINE_RATE_ORDER": str(shape.rate_order),
            "CERTLINE_RATE_READ": str(RATE_READ if shape.is_bound else NO_LIMIT),
        }
        words = ("--processes", str(shape.processes), "--threads", str(threads))
        return self._start("worker", *words, **rates)

    def _start(self, *words: str, **variables: str) -> Process:
        return Process([*CERTLINE, "run", *words], {**self._plant.environment, **variables})

    def _set_latency(self, milliseconds: int) -> None:
        settings = {"latency_ms": milliseconds}
        requests.post(f"{self._scm}/_sim/settings", json=settings, timeout=10).raise_for_status()

    def _place(self, count: int) -> list[str]:
        names = [f"scale{self._names + number}.nordhafen.example" for number in range(count)]
        self._names += count
        with ThreadPoolExecutor(PLACERS) as hands:
            list(hands.map(self._plant.place, names))
        return names

    def _until_stored(self, names: list[str]) -> list[float]:
        """Return when each certificate was stored, as Unix time, in ascending order."""
        query = """SELECT extract(epoch FROM created_at)::float8 FROM certificate
                   WHERE common_name = ANY (%s) ORDER BY created_at"""
        end = time.monotonic() + LONGEST
        with psycopg.connect(self._url, autocommit=True) as db:
            while time.monotonic() < end:
                stored = [at for (at,) in db.execute(query, [names])]
                if len(stored) == len(names):
                    return stored
                time.sleep(0.5)
        sys.exit(f"{len(stored)} of {len(names)} orders are stored after {LONGEST} s")


@contextmanager
def opened() -> Iterator[Bench]:
    """Yield an installation with an account and no running part."""
    with ExitStack() as stack:
        servers = Servers(
            stack.enter_context(open_postgres(private=True)),
            stack.enter_context(open_rabbitmq(private=True)),
        )
        url = stack.enter_context(servers.postgres.database())
        vhost = stack.enter_context(servers.rabbitmq.vhost())
        scm = stack.enter_context(simulator("--issue-after-ms", "0"))
        (scm_pid,) = (
            each.pid for each in psutil.Process().children() if "simulator" in each.cmdline()
        )
        plant = stack.enter_context(Plant(url, vhost, CERTLINE_POLL_SECONDS="0.5"))
        plant.certline("init")
        plant.certline("license", "set", "100000")
        with plant.start("worker"), plant.start("relay"):
            plant.add_account(f"{scm}/api")
        yield Bench(plant, servers, url, scm, scm_pid)


def figures() -> dict[str, float]:
    """Run every shape, and return the rates, the ratios to one process, and the cores that were busy."""
    found: dict[str, float] = {}
    with opened() as bench:
        for latency in SHAPES:
            for processes in PROCESSES:
                outcome = bench.run(Shape(latency, processes))
                found[f"rate_{latency}ms_{processes}"] = outcome.rate
                found[f"cores_{latency}ms_{processes}"] = outcome.cores
                linear = processes * found[f"rate_{latency}ms_1"]
                found[f"linear_{latency}ms_{processes}"] = outcome.rate / linear
                found["calls"] = outcome.calls
            two = bench.run(Shape(latency, MOST, relays=2))
            found[f"rate_{latency}ms_{MOST}_2_relays"] = two.rate
            found[f"relays_{latency}ms"] = two.rate / found[f"rate_{latency}ms_{MOST}"]
        for processes in PROCESSES[1:]:
            bound = bench.run(Shape(200, processes, rate_order=RATE_ORDER))
            found[f"rate_bound_{processes}"] = bound.rate
            found[f"share_bound_{processes}"] = bound.rate / RATE_ORDER
    return found


def main() -> None:
    """Run the benchmark and print the figures."""
    found = figures()
    print(
        "orders a second, by the time of a call and worker processes (÷ as many times one; cores)"
    )
    for latency, (threads, _) in SHAPES.items():
        print(f"  {latency:5,} ms, {threads} threads a process")
        for processes in PROCESSES:
            key = f"{latency}ms_{processes}"
            rate, linear, cores = (found[f"{name}_{key}"] for name in ("rate", "linear", "cores"))
            print(f"    {processes}: {rate:6.2f} ({linear:4.2f}; {cores:4.2f})")
        two = found[f"rate_{latency}ms_{MOST}_2_relays"], found[f"relays_{latency}ms"]
        print(f"    {MOST}, two relays: {two[0]:6.2f} (÷ one relay {two[1]:4.2f})")
    for processes in PROCESSES[1:]:
        rate, share = (found[f"{name}_bound_{processes}"] for name in ("rate", "share"))
        print(f"  {RATE_ORDER:g} orders a second allowed, {processes}: {rate:5.2f} ({share:4.2f})")
    print(f"  calls to SCM an order: {found['calls']:.2f}")


if __name__ == "__main__":
    main()
