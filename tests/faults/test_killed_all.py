"""Fault test of `certline run all` killed with -9: its child processes end too, and nothing is lost."""

import psutil  # type: ignore[import-untyped, unused-ignore]  # it has no types

from certline.models import OrderStatus
from certline.simulator.server import Simulator
from tests.faults.conftest import ENROLL, calls
from tests.gate import Gate
from tests.plant import CERTLINE, Plant
from tests.servers import Process, until


def test_the_parts_end_with_it_and_the_next_one_goes_on(
    plant: Plant, gate: Gate, simulator: Simulator
) -> None:
    gate.close(answers=True)
    with Process([*CERTLINE, "run", "all"], plant.environment) as line:
        command = plant.place("all.nordhafen.example")
        until(lambda: calls(simulator, ENROLL) == 1, 60)
        parts = psutil.Process(line.popen.pid).children(recursive=True)
        line.popen.kill()  # this process only, not its group

        gate.open()  # its worker finishes the call in progress
        until(lambda: not any(map(lives, parts)), 60)
    assert len(parts) >= 5  # worker, its fork, relay, ingress, producer

    with Process([*CERTLINE, "run", "all"], plant.environment):
        plant.until(command, OrderStatus.STORED)
    assert calls(simulator, ENROLL) == 1


def lives(part: psutil.Process) -> bool:
    """Check whether a process is running; a zombie is not."""
    try:
        return part.is_running() and bool(part.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
