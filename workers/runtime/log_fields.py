"""Fields of log entries that name what a step works on, so that an order can be followed through the logs."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from certline.models import Command, Order

# Bound while a step runs, once it has loaded what it works on.
_SUBJECT = ("order", "account", "common_name")


@contextmanager
def step_in_logs(command: Command) -> Iterator[None]:
    """Add a command's id, step and correlation id to every log entry of this block."""
    fields = {"command": command.id, "step": command.type.value}
    if command.correlation_id != command.id:
        fields["correlation"] = command.correlation_id
    with structlog.contextvars.bound_contextvars(**fields):
        try:
            yield
        finally:
            structlog.contextvars.unbind_contextvars(*_SUBJECT)


def name_in_logs(order: Order) -> None:
    """Add an order, its account and its common name to the further log entries of this step."""
    structlog.contextvars.bind_contextvars(
        order=order.id, account=order.account.name, common_name=order.common_name
    )
