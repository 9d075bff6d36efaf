"""Stories of what needs a second person: the second person's command dies, and is typed again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import delete

from certline.models import ApprovalRule, CommandType
from certline.models.audit.identity import Identity
from certline.models.commands.approval import Guard
from certline.producers.requests.approvals import change_rule
from tests.faults.harness.scenario import Stage
from tests.faults.stories.cancel_delete import never_sent
from tests.faults.stories.requests import type_twice


def a_deletion_is_approved(stage: Stage, points: Sequence[str]) -> None:
    """Kill `command approve`: the deletion still waits, or it is due and a worker is woken."""
    with deletions_held(stage):
        for point in points:
            held = stage.accept(CommandType.DELETE, {"order": never_sent(stage)})
            type_twice(stage, point, "command", "approve", held.id)


def a_deletion_is_declined(stage: Stage, points: Sequence[str]) -> None:
    """Kill `command decline`: the deletion still waits, or it has failed and its sender is told."""
    orders = [never_sent(stage) for _ in points]
    with deletions_held(stage):
        for point, order in zip(points, orders, strict=True):
            held = stage.accept(CommandType.DELETE, {"order": order})
            type_twice(stage, point, "command", "decline", held.id, "--reason", "still in use")
    for order in orders:  # the stage expects none that was never sent
        stage.run(stage.accept(CommandType.DELETE, {"order": order}))


def a_rule_is_changed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `approval require`: the rule is as before, or as it is to be."""
    for point in points:
        type_twice(stage, point, "approval", "require", "export-key")
        forget(stage)


@contextmanager
def deletions_held(stage: Stage) -> Iterator[None]:
    """Have deletions need an approval meanwhile."""
    change_rule(stage.plant.database, [Guard.DELETE], None, who=Identity("os:ida"))
    yield
    forget(stage)


def forget(stage: Stage) -> None:
    """Drop the rule, which the stories that follow must not meet."""
    with stage.plant.database.transaction() as db:
        db.execute(delete(ApprovalRule))
