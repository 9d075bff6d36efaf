"""Stories of orders that are cancelled and deleted."""

from collections.abc import Sequence

from certline.models import Command, CommandType, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.commands.payloads import CancelCommand
from certline.producers.requests.certificates import request_cancelling
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage
from tests.faults.stories.lifecycle import reissue
from tests.faults.stories.requests import type_twice

HOUR = 3_600_000  # milliseconds
USUAL = {"auto_approve": True, "issue_after_ms": 50}


def a_cancelling(stage: Stage, points: Sequence[str]) -> None:
    """Decline an order that waits for its approval."""
    kill_workers(stage, points, [cancelling(stage, waiting(stage)) for _ in points])


def a_cancelling_that_scm_refuses(stage: Stage, points: Sequence[str]) -> None:
    """Cancel an order that SCM is processing and does not decline; it is rejected there in the end."""
    orders = [waiting(stage, auto_approve=True) for _ in points]
    stage.simulate("POST", "settings", {"issue_after_ms": HOUR})
    kill_workers(stage, points, [cancelling(stage, order) for order in orders])
    for order in orders:
        stage.simulate("POST", f"orders/{stage.order(order).scm_id}/reject")
    stage.simulate("POST", "settings", USUAL)


def a_cancelling_of_what_scm_has_issued(stage: Stage, points: Sequence[str]) -> None:
    """Cancel too late: the order goes on."""
    orders = [waiting(stage) for _ in points]
    for order in orders:
        for what in ("approve", "issue"):
            stage.simulate("POST", f"orders/{stage.order(order).scm_id}/{what}")
    kill_workers(stage, points, [cancelling(stage, order) for order in orders])


def a_cancelled_reissue(stage: Stage, points: Sequence[str]) -> None:
    """Cancel a reissue that SCM carries out nevertheless: an operator accepts it."""
    orders = [reissue(stage) for _ in points]
    stage.simulate("POST", "settings", {"issue_after_ms": HOUR})
    commands = []
    for order in orders:
        stage.run(order)
        commands.append(cancelling(stage, order))
    kill_workers(stage, points, commands)
    stage.simulate("POST", "settings", USUAL)
    ends = (OrderStatus.REVIEW, OrderStatus.STORED)  # where it got to before it could be cancelled
    stage.work_until(lambda: all(stage.order(each).status in ends for each in orders))
    stage.decide()


def a_deletion(stage: Stage, points: Sequence[str]) -> None:
    """Delete an order that was never sent to SCM, by another system's command."""
    kill_workers(
        stage,
        points,
        [stage.accept(CommandType.DELETE, {"order": never_sent(stage)}) for _ in points],
    )


def a_deletion_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `order delete`: the order is still complete, or deleted completely."""
    for point in points:
        type_twice(stage, point, "order", "delete", never_sent(stage), "--yes")


def a_cancelling_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `order cancel`."""
    for point in points:
        order = stage.order(waiting(stage)).id
        type_twice(stage, point, "order", "cancel", order, "--comments", "not needed")


def waiting(stage: Stage, *, auto_approve: bool = False) -> Command:
    """Place an order that SCM has accepted and not issued."""
    switches = {"auto_approve": auto_approve, "issue_after_ms": HOUR}
    stage.simulate("POST", "settings", switches)
    command = stage.place()
    stage.run(command)
    stage.simulate("POST", "settings", USUAL)
    return command


def never_sent(stage: Stage) -> str:
    """Cancel an order before it is sent to SCM. Returns its id; no certificate comes of it."""
    order = stage.order(stage.place()).id
    stage.names.pop()
    wanted = CancelCommand(order=order, comments="not needed")
    command = request_cancelling(
        stage.plant.database, wanted, requested_by=Identity("os:ida")
    ).command
    stage.run(command)
    return order


def cancelling(stage: Stage, order: Command) -> Command:
    """Request the cancellation of an order by another system's command."""
    payload = {"order": stage.order(order).id, "comments": "not needed"}
    return stage.accept(CommandType.CANCEL, payload)
