"""Stories of what is not wanted any more: cancelled and deleted."""

from collections.abc import Sequence

from certline.models import Command, CommandType, OrderStatus
from certline.models.commands.payloads import CancelCommand
from certline.producers.requests.certificates import request_cancelling
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage
from tests.faults.stories.lifecycle import reissue
from tests.faults.stories.requests import type_twice

HOUR = 3_600_000  # milliseconds
USUAL = {"auto_approve": True, "issue_after_ms": 50}


def a_cancelling(stage: Stage, points: Sequence[str]) -> None:
    """An order that waits for its approval is declined."""
    kill_workers(stage, points, [cancelling(stage, waiting(stage)) for _ in points])


def a_cancelling_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """SCM is at it and would not decline it; in the end it is rejected there."""
    orders = [waiting(stage, auto_approve=True) for _ in points]
    stage.simulate("POST", "settings", {"issue_after_ms": HOUR})
    kill_workers(stage, points, [cancelling(stage, order) for order in orders])
    for order in orders:
        stage.simulate("POST", f"orders/{stage.order(order).scm_id}/reject")
    stage.simulate("POST", "settings", USUAL)


def a_cancelling_of_what_scm_has_issued(stage: Stage, points: Sequence[str]) -> None:
    """It is too late: the order goes on."""
    orders = [waiting(stage) for _ in points]
    for order in orders:
        for what in ("approve", "issue"):
            stage.simulate("POST", f"orders/{stage.order(order).scm_id}/{what}")
    kill_workers(stage, points, [cancelling(stage, order) for order in orders])


def a_cancelled_reissue(stage: Stage, points: Sequence[str]) -> None:
    """SCM makes it anew all the same: a person takes it."""
    orders = [reissue(stage) for _ in points]
    stage.simulate("POST", "settings", {"issue_after_ms": HOUR})
    commands = []
    for order in orders:
        stage.run(order)
        commands.append(cancelling(stage, order))
    kill_workers(stage, points, commands)
    stage.simulate("POST", "settings", USUAL)
    ends = (OrderStatus.REVIEW, OrderStatus.STORED)  # where it came before it could be cancelled
    stage.work_until(lambda: all(stage.order(each).status in ends for each in orders))
    stage.decide()


def a_deletion(stage: Stage, points: Sequence[str]) -> None:
    """An order that SCM never heard of is deleted, by another system's command."""
    kill_workers(
        stage,
        points,
        [stage.accept(CommandType.DELETE, {"order": never_sent(stage)}) for _ in points],
    )


def a_deletion_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """`order delete` dies: the order is there whole, or gone whole."""
    for point in points:
        type_twice(stage, point, "order", "delete", never_sent(stage))


def a_cancelling_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """`order cancel` dies."""
    for point in points:
        order = stage.order(waiting(stage)).id
        type_twice(stage, point, "order", "cancel", order, "--comments", "not needed")


def waiting(stage: Stage, *, auto_approve: bool = False) -> Command:
    """An order that SCM has, and has not issued."""
    switches = {"auto_approve": auto_approve, "issue_after_ms": HOUR}
    stage.simulate("POST", "settings", switches)
    command = stage.place()
    stage.run(command)
    stage.simulate("POST", "settings", USUAL)
    return command


def never_sent(stage: Stage) -> str:
    """An order that was cancelled before SCM heard of it; nobody gets that certificate."""
    order = stage.order(stage.place()).id
    stage.names.pop()
    wanted = CancelCommand(order=order, comments="not needed")
    request_cancelling(stage.plant.database, wanted, requested_by="ida")
    return order


def cancelling(stage: Stage, order: Command) -> Command:
    """An order that is to be cancelled, by another system's command."""
    payload = {"order": stage.order(order).id, "comments": "not needed"}
    return stage.accept(CommandType.CANCEL, payload)
