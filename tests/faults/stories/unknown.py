"""Stories of orders with an unknown outcome: they are reconciled, and an operator may decide."""

from collections.abc import Sequence

from certline.models import Command, CommandType, Order
from certline.models.accounts.breaker import MOST_FAILURES
from tests.faults.crashing import Death
from tests.faults.killing import kill, kill_workers
from tests.faults.stage import Stage
from tests.faults.stories.orders import ENROLL, NOT_ALLOWED

# Together with our reference it would exceed SCM's 1,024 characters, so the reference is left out.
LONG = "x" * 1010
LIST = "/ssl/v1$"


def lost_before_scm(stage: Stage, points: Sequence[str]) -> None:
    """Lose the request: SCM's list proves that it has no such order, and the order is sent again."""
    orders = lost(stage, len(points), "drop_before")
    kill_workers(stage, points, orders)


def lost_after_scm(stage: Stage, points: Sequence[str]) -> None:
    """Lose the response: SCM has the order, and it is adopted."""
    kill_workers(stage, points, lost(stage, len(points), "drop_after"))


def lost_without_a_reference(stage: Stage, points: Sequence[str]) -> None:
    """Lose the response where only the certificate's public key shows that the order is ours."""
    kill_workers(stage, points, lost(stage, len(points), "drop_after", comments=LONG))


def a_list_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """Refuse the list, so that it stays unknown whether SCM has the order: an operator decides."""
    orders = lost(stage, len(points), "drop_before")
    with stage.failing("GET", LIST, "status", status=400, body=NOT_ALLOWED):
        kill_workers(stage, points, orders)
        stage.until_in_review(orders)
    stage.decide()


def an_scm_that_was_out_of_order(stage: Stage, points: Sequence[str]) -> None:
    """Fail until the breaker opens, then let one probe read from SCM."""
    with stage.failing("POST", ENROLL, "drop_before"):
        for _ in range(MOST_FAILURES):
            stage.run(stage.place())
    stage.age()
    stage.place()
    # The first call to SCM is the breaker's probe.
    kill(stage, [Death(point) for point in points], "worker", "--threads", "1")


def adopted_by_a_person(stage: Stage, points: Sequence[str]) -> None:
    """Name the record at SCM that is the order's, with a command that dies."""
    for point in points:
        order = in_review(stage, "drop_after")
        (record,) = [
            found
            for found in stage.simulate("GET", "orders")
            if found["commonName"] == order.common_name
        ]
        decide(stage, point, order, "--adopt", str(record["sslId"]))


def sent_again_by_a_person(stage: Stage, points: Sequence[str]) -> None:
    """Resend an order that SCM does not have, with a command that dies."""
    for point in points:
        decide(stage, point, in_review(stage, "drop_before"), "--resend", "--yes")


def given_up_by_a_person(stage: Stage, points: Sequence[str]) -> None:
    """Reject an order, with a command that dies."""
    for point in points:
        decide(stage, point, in_review(stage, "drop_before"), "--reject")


def lost(stage: Stage, count: int, kind: str, **changes: str) -> list[Command]:
    """Leave orders in `sending`, place a newer one that SCM lists, and let an hour pass."""
    orders = []
    with stage.failing("POST", ENROLL, kind):
        for _ in range(count):
            orders.append(stage.place(**changes))
            stage.run(orders[-1])
            stage.age()  # otherwise the breaker opens
    stage.run(stage.place())
    stage.age()
    return orders


def in_review(stage: Stage, kind: str) -> Order:
    """Return an order that is in `review`."""
    (command,) = lost(stage, 1, kind)
    with stage.failing("GET", LIST, "status", status=400, body=NOT_ALLOWED):
        stage.run(stage.step_of(command, CommandType.RECONCILE))
    return stage.order(command)


def decide(stage: Stage, point: str, order: Order, *words: str) -> None:
    """Decide by a command that dies, and by one that doesn't, which may find the order decided."""
    died = stage.type("order", "resolve", order.id, *words, dies=[Death(point)])
    assert died.met, died.output
    stage.type("order", "resolve", order.id, *words)
