"""How many calls to SCM an installation makes: default numbers of workers, and what bounds them."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from certline.models.settings import Settings

# Seconds that a call to SCM takes: as a rule at most, though an order may take longer; and a quick read.
CALL_SECONDS, QUICK_SECONDS = 1.0, 0.1
# Threads of a process. With more of them Python's lock is busy, unless SCM is slow.
LEAST_THREADS, MOST_THREADS = 4, 16
# Calls a second that one process makes, each with its share of storing, before its core is busy (measured).
CALLS_A_CORE = 150
# Calls that an import makes for a record, if SCM's report stands in for its details.
CALLS_A_RECORD = 1

CGROUP = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Size:
    """Numbers of worker processes, and of threads of each."""

    processes: int
    threads: int


def sized(
    settings: Settings, processes: int | None = None, threads: int | None = None, *, cores: int = 0
) -> Size:
    """Return the numbers of processes and threads: those given, and the others by the rate limits and the cores.

    With a number of threads alone there is one process. More threads than calls may be in progress at once would
    only wait for the rate limit. `cores`: those of this machine if 0.
    """
    cores = cores or usable_cores()
    # One thread of a process is kept free of slow work.
    wanted = math.ceil((settings.rate_read + settings.rate_order) * CALL_SECONDS) + 1
    if processes is None:
        # Whoever gives a number of threads has counted: two for a worker of hooks are two.
        most = cores if threads is None else 1
        processes = max(1, min(most, math.ceil(wanted / MOST_THREADS)))
    if threads is None:
        threads = max(LEAST_THREADS, min(MOST_THREADS, math.ceil(wanted / processes)))
    return Size(processes, threads)


def usable_cores() -> int:
    """Return how many cores this process may use, as its container allows; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = CGROUP.read_text().split()
        return max(1, min(cores or 1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup of version 2, or no limit: "max"
        return max(1, cores or 1)


@dataclass(frozen=True)
class Bound:
    """What bounds the calls to SCM of one account: how many a second, and the reason."""

    per_second: float
    reason: str

    def import_text(self, records: int) -> str:
        """Return how long an import of so many records takes at least, and why."""
        seconds = records * CALLS_A_RECORD / self.per_second
        time = f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"
        return (
            f"an import of {records:,} takes at least {time}: {self.per_second:g} calls a second "
            f"({self.reason})"
        )


def bound_of(rate_read: float, threads: list[int]) -> Bound:
    """Return what bounds the reads of one account. `threads`: of each running worker process; may be empty."""
    rate = Bound(rate_read, "CERTLINE_RATE_READ")
    if not threads:
        return rate
    # A process with one thread keeps none free.
    at_once = sum(max(1, number - 1) for number in threads)
    by_threads = Bound(
        at_once / QUICK_SECONDS,
        f"{at_once} threads of workers, at {QUICK_SECONDS:g} s a call: --processes, --threads",
    )
    busy = f"{len(threads)} worker processes, each of which keeps a core busy"
    by_machine = Bound(len(threads) * CALLS_A_CORE, busy)
    return min(rate, by_threads, by_machine, key=lambda bound: bound.per_second)
