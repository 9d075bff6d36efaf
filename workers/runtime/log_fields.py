"""Fields of log entries that name what a step works on, so that an order can be followed through the logs."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from certline.models import Command, Order
from certline.models.events.trace_context import current_traceparent, trace_id_of
from certline.workers.tracing.span import annotate

# Bound while a step runs, once it has loaded what it works on.
_FIELDS = ("command", "step", "trace", "correlation", "order", "account", "common_name")


@contextmanager
def step_in_logs() -> Iterator[None]:
    """Remove what is added to log entries of this block, of one step, at its end."""
    try:
        yield
    finally:
        structlog.contextvars.unbind_contextvars(*_FIELDS)


def name_command(command: Command) -> None:
    """Add a command's id, step, trace and correlation id to the further log entries of this step."""
    fields = {"command": command.id, "step": command.type.value}
    if (trace := trace_id_of(current_traceparent())) is not None:
        fields["trace"] = trace
    if command.correlation_id != command.id:
        fields["correlation"] = command.correlation_id
    structlog.contextvars.bind_contextvars(**fields)


def name_in_logs(order: Order) -> None:
    """Add an order, its account and its common name to the further log entries of this step.

    The order's id is added to the step's span, too.
    """
    annotate({"certline.order.id": order.id})
    structlog.contextvars.bind_contextvars(
        order=order.id, account=order.account.name, common_name=order.common_name
    )
