"""Tests that `--threads` allows that many calls to SCM at once, whatever queue they come from."""

import pytest

from certline.models import OrderStatus
from certline.simulator.server import Simulator
from tests.faults.conftest import ENROLL, calls
from tests.gate import Gate
from tests.plant import Plant
from tests.servers import until


@pytest.mark.parametrize("threads", [1, 5])
def test_a_workers_threads_all_have_an_order_of_the_same_queue_at_scm(
    plant: Plant, gate: Gate, simulator: Simulator, threads: int
) -> None:
    gate.close(answers=True)
    plant.start("worker", "--threads", str(threads))
    commands = [plant.place(f"t{number}.nordhafen.example") for number in range(threads + 1)]

    until(lambda: calls(simulator, ENROLL) == threads, 60)  # none of them has its response

    gate.open()
    for command in commands:
        plant.until(command, OrderStatus.STORED)
    assert calls(simulator, ENROLL) == len(commands)
