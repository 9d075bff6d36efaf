"""Fixtures of the fault tests: a gate in front of SCM, a plant, a stage."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from certline.simulator.server import Simulator
from tests.faults.harness.scenario import Stage
from tests.support.deployment import Plant
from tests.support.forkserver import nursery
from tests.support.proxy import Gate

# Call template under which the simulator counts new orders.
ENROLL = "POST /ssl/v1/enroll"


@pytest.fixture
def gate(simulator: Simulator) -> Iterator[Gate]:
    """Yield a gate in front of the simulator, which can hold calls and responses."""
    with Gate(simulator.url) as gate:
        yield gate


@pytest.fixture
def plant(database_url: str, vhost: str, gate: Gate, simulator: Simulator) -> Iterator[Plant]:
    """Yield a plant with a synced account, relay and producer running; the test starts the workers it kills."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 100}, timeout=30)
    with Plant(database_url, vhost) as plant:
        plant.start("relay")
        plant.start("producer")
        with plant.start("worker"):
            plant.add_account(gate.url)
        yield plant


@pytest.fixture
def stage(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Stage]:
    """Yield a stage with a synced account, relay, producer and ingress running; the test starts its workers."""
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
    """Return the records that the simulator holds."""
    found: list[dict[str, Any]] = requests.get(f"{simulator.door}/orders", timeout=30).json()
    return found


def calls(simulator: Simulator, template: str) -> int:
    """Return how often the simulator received a call, such as `POST /ssl/v1/enroll`."""
    counts: dict[str, int] = requests.get(f"{simulator.door}/calls", timeout=30).json()
    return counts.get(template, 0)
