"""Measures of steps: how long they take and how they end, and how long their commands have waited.

Each run of a step is a span, too: a redelivery and a retry are further ones of the same trace.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from certline.models import Command, CommandType, Order, OrderKind, OrderStatus
from certline.models.commands.kinds import KINDS
from certline.models.vault import WithdrawnVaultError
from certline.workers.metrics.instruments import COMMAND_START, ORDER_STORED, STEP_RUN
from certline.workers.metrics.tally import observe
from certline.workers.runtime.outcomes import AccountSuspendedError, TryLater
from certline.workers.tracing.span import LateSpan, SpanKind, annotate, late_span, mark_failed


@dataclass
class StepMeasure:
    """How a run of a step ended: done, later, failed, suspended, skipped, or crashed unless it says otherwise."""

    trace: LateSpan
    outcome: str = "crashed"

    def begin(self, command: Command) -> None:
        """Measure a command that was just claimed; from now on everything belongs to its trace."""
        queue = KINDS[command.type].queue.value
        self.trace.begin(
            f"step {command.type}",
            SpanKind.CONSUMER,
            parent=command.traceparent,
            attributes={
                "certline.command.id": command.id,
                "certline.step": command.type.value,
                "certline.queue": queue,
                "certline.attempt": command.attempts,
                "certline.restarts": command.restarts,
                "certline.order.id": command.payload.get("order"),
            },
        )
        if not command.restarts:  # a redelivered one has not waited
            waited = (command.touched_at - command.not_before).total_seconds()
            observe(COMMAND_START, max(0.0, waited), queue)

    def end(self, outcome: Exception) -> None:
        """Set the word for what the step has raised."""
        match outcome:
            case TryLater() | WithdrawnVaultError():
                self.outcome = "later"
            case AccountSuspendedError():
                self.outcome = "suspended"
            case _:
                self.outcome = "failed"
                mark_failed(type(outcome).__name__)


def measure_stored(order: Order) -> None:
    """Measure how long an order took from its request to its certificate, if it is stored now and no import."""
    if order.status is OrderStatus.STORED and order.kind is not OrderKind.IMPORT:
        took = (order.updated_at - order.created_at).total_seconds()
        observe(ORDER_STORED, took, order.kind.value)


@contextmanager
def measured(kind: CommandType) -> Iterator[StepMeasure]:
    """Measure this block, a run of a step."""
    with late_span() as trace:
        measure, begun = StepMeasure(trace), time.monotonic()
        try:
            yield measure
        finally:
            annotate({"certline.outcome": measure.outcome})
            observe(STEP_RUN, time.monotonic() - begun, kind.value, measure.outcome)
