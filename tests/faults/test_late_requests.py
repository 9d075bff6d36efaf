"""Fault tests of a request that SCM carries out after its sender has given up: the settle time must be longer."""

from certline.models import OrderStatus
from certline.simulator.server import Simulator
from tests.faults.conftest import orders_at_scm
from tests.faults.stage import Stage
from tests.faults.stories.orders import ENROLL
from tests.servers import until

# Seconds: time SCM takes, a worker's timeout, and the settle time.
SCM_TAKES, PATIENCE, SETTLE = 2, 1, 6


def test_an_order_that_scm_makes_late_is_found_and_not_sent_again(
    stage: Stage, simulator: Simulator
) -> None:
    variables = {
        "CERTLINE_SCM_READ_SECONDS": str(PATIENCE),
        "CERTLINE_SETTLE_SECONDS": str(SETTLE),
    }
    stage.plant.environment.update(variables)
    stage.fault("POST", ENROLL, "delay", delay_ms=SCM_TAKES * 1000)
    stage.start("worker", "--threads", "1")
    order = stage.place()
    until(lambda: stage.order(order).status is OrderStatus.SENDING, 60)
    stage.place()  # newer: it proves SCM's list current, though the late one isn't listed yet

    def stored() -> bool:
        stage.hasten()
        return stage.order(order).status is OrderStatus.STORED

    until(stored, 90, every=0.2)

    assert len(orders_at_scm(simulator)) == 2
    assert stage.finish() == []
