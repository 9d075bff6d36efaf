"""A validation at work: its row, its account and what was asked for."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec

from sqlalchemy.orm import Session

from certline.models import Account
from certline.models.commands.payloads import ValidateCommand
from certline.models.domains.course import patience
from certline.models.domains.validation import Validation, locked_validation
from certline.models.states import ValidationStage
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp, TryLater

# What a stage stores beside its row.
Facts = ParamSpec("Facts")
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

    `now`: when the step has begun, on Postgres' clock.
    """

    row: Validation
    account: Account
    wanted: ValidateCommand
    attempts: int
    now: datetime

    def after(self, row: Validation) -> "ValidationTask":
        """Return the task with its row as it is now."""
        return replace(self, row=row)

    def once(
        self,
        write: Callable[Concatenate[Session, Validation, Facts], None],
        *args: Facts.args,
        **facts: Facts.kwargs,
    ) -> Callable[[Session], Validation]:
        """Return what locks the row, lets `write` change it unless a parallel run of the command has ended the
        stage, and returns the row as it is then.
        """

        def work(db: Session) -> Validation:
            row = locked_validation(db, self.row.id)
            if row.stage is self.row.stage:
                write(db, row, *args, **facts)
            return row

        return work

    def wait(
        self,
        context: WorkerContext,
        said: str,
        pause: Callable[[int], timedelta],
        doing: str | None = None,
    ) -> "ValidationTask":
        """Store what a stage that waits has found, and raise TryLater. `pause`: the wait after so many tries.

        Returns the task if the stage has ended meanwhile, as when a person has cancelled the validation: then it
        goes on at once. `doing`: what was tried.
        """
        row = context.store(self.once(note_wait, said=said))
        if (row.stage, row.outcome) != (self.row.stage, self.row.outcome):
            return self.after(row)
        raise later(said if doing is None else f"{doing}: {said}", pause(row.tries))

    @property
    def by_hand(self) -> bool:
        """True if a person puts the proof in place."""
        return self.row.by_hand


def note_wait(_: Session, row: Validation, said: str) -> None:
    """Note what a stage that waits has found, and count the try."""
    row.said, row.tries = said, row.tries + 1


def require_patience(task: ValidationTask, said: str) -> None:
    """Raise GiveUp if the present stage has waited for too long for what it waits for."""
    limit = patience(task.row.method, task.row.stage, by_hand=task.by_hand)
    if task.now - task.row.stage_since > limit:
        what = WAITED_FOR.get(task.row.stage, "SCM")
        raise GiveUp(f"waited {limit.days} days for {what}; last: {said}")


def later(why: str, after: timedelta) -> TryLater:
    """Return the outcome of a stage that waits: SCM has responded, so earlier failed attempts no longer count."""
    return TryLater(why, after=after, afresh=True)
