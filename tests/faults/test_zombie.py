"""Fault tests of a worker frozen in the middle of an order for longer than RabbitMQ's heartbeat and the settle
time; others finish the order, then it wakes up and continues.
"""

import signal
from collections.abc import Iterator

import pytest

from certline.models import Command, OrderStatus, Queue
from certline.simulator.server import Simulator
from tests.faults.conftest import ENROLL, calls, orders_at_scm
from tests.faults.crashing import Death
from tests.faults.stage import Stage
from tests.gate import Gate
from tests.nursery import Part
from tests.servers import until

CALL = "workers.ordering.submission:_call call enroll"


@pytest.fixture
def heartbeats(stage: Stage) -> dict[str, str]:
    """Return settings by which RabbitMQ drops a worker after two seconds, and outcomes settle after three."""
    url = stage.plant.environment["CERTLINE_RABBITMQ_URL"]
    return {"CERTLINE_RABBITMQ_URL": f"{url}?heartbeat=1", "CERTLINE_SETTLE_SECONDS": "3"}


@pytest.fixture
def held(stage: Stage, gate: Gate) -> Iterator[Gate]:
    """Put the account behind a gate that holds SCM's responses."""
    stage.move_account(gate.url)
    gate.close(answers=True)
    yield gate
    gate.open()


def frozen_at(stage: Stage, point: str, heartbeats: dict[str, str]) -> tuple[Part, Command]:
    """Start a worker that freezes at a point in its work for an order."""
    order = stage.place()
    frozen = Death(point, intent=order.correlation_id, signal=signal.SIGSTOP)
    worker = stage.start("worker", "--threads", "1", dies=[frozen], environment=heartbeats)
    until(lambda: worker.met, 60)
    return worker, order


def others_finish(stage: Stage, order: Command) -> None:
    """Wait until RabbitMQ requeues its message, let an hour pass, and have other workers finish the order."""
    until(lambda: stage.ear.waiting()[Queue.ORDER] == 1, 60)
    stage.age()
    stage.place()
    stage.start("worker")

    def stored() -> bool:
        stage.hasten()
        return stage.order(order).status is OrderStatus.STORED

    until(stored, 90, every=0.3)


def test_frozen_after_its_claim_it_sends_nothing_any_more(
    stage: Stage, simulator: Simulator, heartbeats: dict[str, str]
) -> None:
    zombie, order = frozen_at(stage, f"{CALL} before", heartbeats)
    others_finish(stage, order)
    sent = calls(simulator, ENROLL)

    zombie.thaw()
    zombie.wait_for("order.fenced")

    assert calls(simulator, ENROLL) == sent == len(orders_at_scm(simulator))
    zombie.kill()
    assert stage.finish() == []


def test_frozen_with_scms_answer_in_its_hands_it_stores_nothing_any_more(
    stage: Stage, simulator: Simulator, heartbeats: dict[str, str]
) -> None:
    zombie, order = frozen_at(stage, f"{CALL} after", heartbeats)
    others_finish(stage, order)
    before = stage.order(order)

    zombie.thaw()
    zombie.wait_for("order.fenced")
    zombie.kill()

    after = stage.order(order)
    assert (after.fence, after.scm_id, after.status) == (
        before.fence,
        before.scm_id,
        OrderStatus.STORED,
    )
    assert len(orders_at_scm(simulator)) == 2
    assert stage.finish() == []


def test_frozen_while_it_waits_for_scm_it_stores_nothing_any_more(
    stage: Stage, held: Gate, simulator: Simulator, heartbeats: dict[str, str]
) -> None:
    order = stage.place()
    zombie = stage.start("worker", "--threads", "1", dies=[Death("never")], environment=heartbeats)
    assert held.arrived.wait(60)
    zombie.freeze()
    held.open()
    others_finish(stage, order)

    zombie.thaw()
    zombie.wait_for("order.fenced")
    zombie.kill()

    assert len(orders_at_scm(simulator)) == 2
    assert stage.finish() == []
