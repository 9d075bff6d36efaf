"""A validation at work: its row, its account and what was asked for."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from certline.models import Account
from certline.models.commands.payloads import ValidateCommand
from certline.models.domains.course import patience
from certline.models.domains.validation import Validation, locked_validation
from certline.models.states import ValidationStage
from certline.workers.runtime.outcomes import GiveUp, TryLater

# What a stage waits for.
WAITED_FOR = {
    ValidationStage.PUBLISH: "the provider",
    ValidationStage.LOOK: "the proof to be seen",
    ValidationStage.POLL: "the CA",
}
# Pause of a command whose domain is being validated by another one.
AGAIN = timedelta(minutes=1)


@dataclass(frozen=True)
class ValidationTask:
    """A validation at work. `attempts`: the tries of its command in a row that have failed at SCM.

    `seen_at`: when the step has begun, on Postgres' clock.
    """

    row: Validation
    account: Account
    wanted: ValidateCommand
    attempts: int
    now: datetime

    def after(self, row: Validation) -> "ValidationTask":
        """Return the task with its row as it is now."""
        return replace(self, row=row)

    @property
    def by_hand(self) -> bool:
        """True if a person puts the proof in place."""
        return self.row.withdrawn_at is not None


def taken(db: Session, task: ValidationTask) -> Validation | None:
    """Lock the task's row for storing how a stage has ended.

    Returns None if a parallel run of the same command has stored it already.
    """
    row = locked_validation(db, task.row.id)
    return row if row.stage is task.row.stage else None


def wait(db: Session, task: ValidationTask, said: str) -> Validation:
    """Note what a stage that waits has found, and count the try."""
    row = locked_validation(db, task.row.id)
    if row.stage is task.row.stage:
        row.said, row.tries = said, row.tries + 1
    return row


def require_patience(task: ValidationTask, said: str) -> None:
    """Raise GiveUp if the present stage has waited for too long for what it waits for."""
    limit = patience(task.row.method, task.row.stage, by_hand=task.by_hand)
    if task.now - task.row.stage_since > limit:
        what = WAITED_FOR.get(task.row.stage, "SCM")
        raise GiveUp(f"waited {limit.days} days for {what}; last: {said}")


def later(why: str, after: timedelta) -> TryLater:
    """Return the outcome of a stage that waits: SCM has responded, so earlier failed attempts no longer count."""
    return TryLater(why, after=after, afresh=True)
