"""The simulator of SCM that benchmarks run against, in a process of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.servers import Process, until
from tests.support.deployment import CERTLINE


@contextmanager
def simulator(*options: str) -> Iterator[str]:
    """Run a simulator with these options of `certline simulator`, and yield its base URL."""
    port = 20_000 + os.getpid() % 20_000
    with Process([*CERTLINE, "simulator", "--port", str(port), *options]):
        base = f"http://127.0.0.1:{port}"

        def up() -> bool:
            try:
                return requests.get(f"{base}/_sim/health", timeout=2).ok
            except requests.RequestException:
                return False

        until(up, 60)
        yield base


def orders_at(scm: str) -> list[dict[str, Any]]:
    """Return every record that the simulator holds."""
    found: list[dict[str, Any]] = requests.get(f"{scm}/_sim/orders", timeout=60).json()
    return found


def calls_of(scm: str) -> int:
    """Return how many calls the simulator has received."""
    found: dict[str, int] = requests.get(f"{scm}/_sim/calls", timeout=60).json()
    return sum(found.values())
