"""A plant on servers of its own, before a gate that can keep SCM's calls and answers."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from certline.simulator.server import Simulator
from tests.faults.stage import Stage
from tests.gate import Gate
from tests.nursery import nursery
from tests.plant import Plant

# As the simulator counts it.
ENROLL = "POST /ssl/v1/enroll"


@pytest.fixture
def gate(simulator: Simulator) -> Iterator[Gate]:
    """What the line takes for SCM."""
    with Gate(simulator.url) as gate:
        yield gate


@pytest.fixture
def plant(database_url: str, vhost: str, gate: Gate, simulator: Simulator) -> Iterator[Plant]:
    """Relay and producer run, the account is synced; the test starts the workers it kills."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 100}, timeout=30)
    with Plant(database_url, vhost) as plant:
        plant.start("relay")
        plant.start("producer")
        with plant.start("worker"):
            plant.add_account(gate.url)
        yield plant


@pytest.fixture
def stage(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Stage]:
    """A synced account, a relay, a producer and an ingress; the test brings its workers."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 50}, timeout=30)
    with Plant(database_url, vhost) as plant:
        stage = Stage(nursery(), plant, vhost, simulator)
        try:
            stage.add_account()
            for part in ("relay", "producer", "ingress"):
                stage.start(part)
            yield stage
        finally:
            stage.stop_parts()


def orders_at_scm(simulator: Simulator) -> list[dict[str, Any]]:
    """What SCM really holds."""
    found: list[dict[str, Any]] = requests.get(f"{simulator.door}/orders", timeout=30).json()
    return found


def calls(simulator: Simulator, template: str) -> int:
    """How often SCM got a call, such as `POST /ssl/v1/enroll`."""
    counts: dict[str, int] = requests.get(f"{simulator.door}/calls", timeout=30).json()
    return counts.get(template, 0)
