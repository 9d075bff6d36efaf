"""Fault test of `certline up`, with its broker in memory, killed with -9: nothing is lost."""

from collections.abc import Iterator

import pytest
import requests

from certline.models import OrderStatus
from certline.simulator.server import Simulator
from tests.faults.conftest import ENROLL, calls, orders_at_scm
from tests.plant import CERTLINE, Plant
from tests.servers import Process, until


@pytest.fixture
def plant(database_url: str, simulator: Simulator) -> Iterator[Plant]:
    """Yield a plant with a synced account and no RabbitMQ; the test starts `certline up`."""
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 100}, timeout=30)
    with Plant(database_url, "") as plant:
        del plant.environment["CERTLINE_RABBITMQ_URL"]
        with Process([*CERTLINE, "up"], plant.environment):
            plant.add_account(simulator.url)
        yield plant


def test_what_was_asked_before_the_kill_is_done_after_it(
    plant: Plant, simulator: Simulator
) -> None:
    commands = [plant.place(f"up{number}.nordhafen.example") for number in range(6)]
    with Process([*CERTLINE, "up"], plant.environment) as up:
        until(lambda: calls(simulator, ENROLL) >= 1, 60)
        up.kill()

    with Process([*CERTLINE, "up"], plant.environment):
        ended = {OrderStatus.STORED, OrderStatus.SENDING}
        until(lambda: {plant.status(command) for command in commands} <= ended, 60)

    at_scm = [order["commonName"] for order in orders_at_scm(simulator)]
    assert len(at_scm) == len(set(at_scm))
    sending = sum(plant.status(command) is OrderStatus.SENDING for command in commands)
    assert calls(simulator, ENROLL) <= len(commands)
    assert len(commands) - sending <= len(at_scm) <= len(commands)
