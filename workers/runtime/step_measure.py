"""Measures of steps: how long they take and how they end, and how long their commands have waited."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from certline.models import Command, CommandType
from certline.models.commands.kinds import KINDS
from certline.models.vault import WithdrawnVaultError
from certline.workers.metrics.instruments import COMMAND_START, STEP_RUN
from certline.workers.runtime.outcomes import AccountSuspendedError, TryLater


@dataclass
class StepMeasure:
    """How a run of a step ended: done, later, failed, suspended, skipped, or crashed unless it says otherwise."""

    outcome: str = "crashed"

    def end(self, outcome: Exception) -> None:
        """Set the word for what the step has raised."""
        match outcome:
            case TryLater() | WithdrawnVaultError():
                self.outcome = "later"
            case AccountSuspendedError():
                self.outcome = "suspended"
            case _:
                self.outcome = "failed"


@contextmanager
def measured(kind: CommandType) -> Iterator[StepMeasure]:
    """Measure this block, a run of a step."""
    measure, begun = StepMeasure(), time.monotonic()
    try:
        yield measure
    finally:
        STEP_RUN.labels(kind.value, measure.outcome).observe(time.monotonic() - begun)


def measure_start(command: Command) -> None:
    """Measure how long a command that was just claimed has been due. Does nothing for a redelivered one."""
    if not command.restarts:
        waited = (command.touched_at - command.not_before).total_seconds()
        COMMAND_START.labels(KINDS[command.type].queue.value).observe(max(0.0, waited))
