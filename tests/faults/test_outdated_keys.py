"""Fault tests of real processes: one killed with -9 is missed, and one with outdated keys says so."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select

from certline.models import Command, CommandStatus, Heartbeat, OrderStatus
from certline.models.heartbeat import running_parts, stale_parts
from certline.models.vault import Vault
from certline.simulator.server import Simulator
from tests.servers import until
from tests.support.deployment import CERTLINE, Plant

pytestmark = pytest.mark.slow


@pytest.fixture
def quick(database_url: str, vhost: str) -> Iterator[Plant]:
    """Yield a plant whose processes beat three times a second."""
    with Plant(database_url, vhost, CERTLINE_HEARTBEAT_SECONDS="0.3") as plant:
        for part in ("relay", "producer", "ingress"):
            plant.start(part)
        yield plant


def parts(plant: Plant) -> list[str]:
    with plant.database.transaction() as db:
        return [row.part for row in running_parts(db)]


def parts_check(plant: Plant) -> Any:
    """Return what doctor says of the parts."""
    typed = [*CERTLINE, "doctor", "--json"]
    environment = os.environ | plant.environment
    said = subprocess.run(typed, env=environment, capture_output=True, check=False, timeout=60)
    return next(each for each in json.loads(said.stdout)["checks"] if each["name"] == "parts")


def test_a_killed_worker_is_missed_and_a_new_one_takes_its_place(
    quick: Plant, simulator: Simulator
) -> None:
    worker = quick.start("worker")
    quick.add_account(simulator.url)
    until(lambda: parts_check(quick)["ok"], 60)

    with quick.database.transaction() as db:
        pids = db.scalars(select(Heartbeat.pid).where(Heartbeat.part == "worker")).all()
    for pid in (*pids, worker.popen.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "worker" not in parts(quick), 60)

    until(lambda: str(pids[0]) in str(parts_check(quick)), 60)
    assert "worker" in parts_check(quick)["text"]
    quick.start("worker")
    until(lambda: "worker" in parts(quick), 60)
    with quick.database.transaction() as db:
        assert stale_parts(db) == []
    until(lambda: parts_check(quick)["ok"], 60)


def test_a_worker_that_missed_a_rotation_says_so_and_a_restarted_one_goes_on(
    quick: Plant, simulator: Simulator
) -> None:
    worker = quick.start("worker")
    quick.add_account(simulator.url)
    old = quick.environment["CERTLINE_SECRET_KEY"]
    both = f"{Fernet.generate_key().decode()},{old}"
    quick.environment["CERTLINE_SECRET_KEY"] = both
    quick.vault = Vault(both)
    quick.certline("keys", "rotate")

    command = quick.place("outdated.nordhafen.example")
    until(lambda: "has to be restarted" in error_of(quick, command.id), 60)
    shown = " ".join(quick.certline("order", "show", str(command.subject)).split())

    assert "has to be restarted with the right secret keys" in shown
    # On a busy machine a part misses heartbeats this close together, and doctor says that first.
    until(lambda: "lacks a secret key of the installation" in parts_check(quick)["text"], 60)
    quick.environment["CERTLINE_SECRET_KEY"] = old
    quick.certline("run", "worker", expect=2)
    quick.environment["CERTLINE_SECRET_KEY"] = both
    worker.popen.terminate()
    quick.start("worker")
    quick.until(command, OrderStatus.STORED, 90)


def error_of(plant: Plant, command_id: str) -> str:
    with plant.database.transaction() as db:
        command = db.get_one(Command, command_id)
        assert command.status is not CommandStatus.FAILED
        return command.error or ""
