"""Acceptance tests of importing what SCM already holds, with a worker killed in between."""

from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import func, select

from certline.models import Command, CommandStatus, Order, OrderStatus
from certline.simulator.server import Simulator, running
from tests.acceptance.secrecy import PASSWORD
from tests.servers import until
from tests.support.deployment import Plant

pytestmark = pytest.mark.slow

FLEET = 50
DETAILS = "GET /ssl/v1/{sslId}"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Simulator]:
    """Yield a simulator that already holds a fleet of certificates."""
    with running(seed_orders=FLEET, issue_after_ms=0, password=PASSWORD) as server:
        yield server


@pytest.fixture
def plant(database_url: str, vhost: str, fleet: Simulator) -> Iterator[Plant]:
    """Yield a plant with relay, producer and a synced account; the test starts the worker."""
    requests.post(f"{fleet.door}/reset", timeout=30).raise_for_status()
    with Plant(database_url, vhost) as plant:
        plant.start("relay")
        plant.start("producer")
        with plant.start("worker"):
            plant.add_account(fleet.url, PASSWORD)
        yield plant


def stored(plant: Plant) -> int:
    with plant.database.transaction() as db:
        query = select(func.count()).where(Order.status == OrderStatus.STORED)
        return db.scalar(query) or 0


def recorded(plant: Plant) -> int:
    with plant.database.transaction() as db:
        return db.scalar(select(func.count()).select_from(Order)) or 0


def asked_for(fleet: Simulator) -> int:
    calls: dict[str, int] = requests.get(f"{fleet.door}/calls", timeout=30).json()
    return calls.get(DETAILS, 0)


def test_an_import_at_the_terminal_holds_what_has_no_licence_and_says_so(plant: Plant) -> None:
    plant.start("worker")
    plant.certline("license", "set", "10")

    report = plant.json("import", "--dry-run")
    ended = plant.json("import", "--wait", "--timeout", "100", expect=3)
    again = plant.json("import", "--wait", "--timeout", "100", expect=3)
    shown = plant.certline("command", "show", ended["id"])
    plant.certline("license", "set", "1000")

    result = ended["result"]
    issued = report["new"]["Issued"]
    assert (report["news"]["new"], report["room"]) == (FLEET, 10)
    assert (ended["status"], result["listed"], result["failed"]) == ("done", FLEET, 0)
    assert result["held"] > 0
    assert again["result"]["held"] == 0  # known by now, and held all the same
    assert f"held          {result['held']}" in shown
    until(lambda: stored(plant) == issued, 60)
    assert "Nothing is new at SCM" in plant.certline("import", "--dry-run")
    plant.certline("import", "--wait", "--timeout", "100")


def test_a_worker_that_is_killed_in_an_import_costs_no_second_call_for_what_is_stored(
    plant: Plant, fleet: Simulator
) -> None:
    requests.post(f"{fleet.door}/settings", json={"latency_ms": 60}, timeout=30)
    worker = plant.start("worker")
    command = plant.json("import")
    until(lambda: recorded(plant), 60)  # the first group, which ends after a few seconds

    worker.kill()
    there = recorded(plant)
    plant.start("worker")

    def ended() -> bool:
        with plant.database.transaction() as db:
            return db.get_one(Command, command["id"]).status is CommandStatus.DONE

    until(ended, 90)
    assert 0 < there < FLEET
    assert recorded(plant) == FLEET
    assert FLEET <= asked_for(fleet) <= FLEET + (FLEET - there)
