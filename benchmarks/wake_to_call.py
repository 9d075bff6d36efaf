"""Benchmark of the time from an accepted order to its call at SCM, one at a time in an idle installation.

It is measured from the beginning of the commit that accepts the order to the arrival of the POST at SCM's socket:
outbox, relay, RabbitMQ, worker, and the step up to the call. Next to it, in the same run, a bare Dramatiq actor:
from the publishing of its message to the arrival of its POST at the same socket.
`BENCH_SAMPLES`: number of orders, and of messages (200).
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from sqlalchemy import event

from benchmarks.stand_in import simulator
from tests.servers import Process, open_postgres, open_rabbitmq, until
from tests.support.deployment import Plant
from tests.support.proxy import Proxy

SAMPLES = int(os.environ.get("BENCH_SAMPLES", "200"))
WARM_UP = 10
# Long enough that no order is polled during the run.
NEVER = "3600"
NO_LIMIT = "10000"


class Doorway(Proxy):
    """A proxy in front of SCM's socket; `arrivals` holds the path and the time of each POST that has arrived."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.arrivals: list[tuple[str, float]] = []

    def _may_pass(self, piece: bytes) -> bool:
        if piece.startswith(b"POST "):
            self.arrivals.append((piece.split(b" ", 2)[1].decode(), time.monotonic()))
        return super()._may_pass(piece)

    def after(self, send: Callable[[], float], path: str) -> float:
        """Return the milliseconds from the time that `send` returns until a POST to this path arrives."""
        before = len(self.arrivals)
        start = send()

        def arrived() -> float:
            return next((at for to, at in self.arrivals[before:] if path in to), 0.0)

        return 1000 * (until(arrived, 60, every=0.002) - start)


def main() -> None:
    """Run the benchmark and print the figures."""
    measured = figures()
    print(f"milliseconds until the call arrives at SCM's socket, {SAMPLES} samples, idle")
    for side in ("certline", "bare"):
        row = (f"{name} {measured[f'{side}_{name}_ms']:7.1f}" for name in ("p50", "p99", "most"))
        print(f"  {side:10} {'   '.join(row)}")
    print(f"  ratio of the p99: {measured['p99_ratio']:.2f}")


def figures() -> dict[str, float]:
    """Return the median, the 99th percentile and the longest time of each side, and the ratios."""
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres(private=True))
        rabbitmq = stack.enter_context(open_rabbitmq(private=True))
        # Orders stay pending, so that nothing else happens.
        scm = stack.enter_context(simulator("--issue-after-ms", "86400000"))
        door = stack.enter_context(Doorway(scm))
        with postgres.database() as url, rabbitmq.vhost() as vhost:
            ours = _certline(url, vhost, door)
        with rabbitmq.vhost() as vhost:
            theirs = _bare(vhost, door)
    found = {"samples": float(SAMPLES)}
    for side, times in (("certline", ours), ("bare", theirs)):
        found[f"{side}_p50_ms"] = statistics.median(times)
        found[f"{side}_p99_ms"] = statistics.quantiles(times, n=100, method="inclusive")[98]
        found[f"{side}_most_ms"] = max(times)
    for name in ("p50", "p99"):
        found[f"{name}_ratio"] = found[f"certline_{name}_ms"] / found[f"bare_{name}_ms"]
    return found


def _certline(url: str, vhost: str, door: Doorway) -> list[float]:
    rates = {"CERTLINE_RATE_READ": NO_LIMIT, "CERTLINE_RATE_ORDER": NO_LIMIT}
    with Plant(url, vhost, CERTLINE_POLL_SECONDS=NEVER, **rates) as plant:
        plant.certline("init")
        plant.certline("license", "set", str(SAMPLES + WARM_UP))
        for part in ("worker", "relay", "producer"):
            plant.start(part)
        plant.add_account(f"{door.url}/api")
        committed = [0.0]

        def note(_: object) -> None:
            committed[0] = time.monotonic()

        event.listen(plant.database.engine, "commit", note)

        def send() -> float:
            number = len(door.arrivals)
            plant.place(f"wake-{number}.nordhafen.example")
            return committed[0]

        return _samples(lambda: door.after(send, "/enroll"), rest=0.15)


def _bare(vhost: str, door: Doorway) -> list[float]:
    os.environ["BARE_BROKER_URL"], os.environ["BARE_SCM_URL"] = vhost, door.url
    command = [sys.executable, "-m", "dramatiq", "benchmarks.bare_actor"]
    with Process([*command, "--processes", "1", "--threads", "8"]) as actor:
        from benchmarks.bare_actor import broker, post  # noqa: PLC0415  # reads the variables

        actor.wait_for("is ready for action", 30)

        def send() -> float:
            start = time.monotonic()
            post.send()
            return start

        times = _samples(lambda: door.after(send, "/bare"), rest=0.05)
        broker.close()
        return times


def _samples(one: Callable[[], float], *, rest: float) -> list[float]:
    """Return the times of all samples but the first ones. `rest`: seconds after which a step has surely ended."""
    times = []
    for _ in range(WARM_UP + SAMPLES):
        times.append(one())
        # Until the step has ended, and at another moment of any interval.
        time.sleep(random.uniform(rest, rest + 0.1))  # noqa: S311  # no secret
    return times[WARM_UP:]


if __name__ == "__main__":
    main()
