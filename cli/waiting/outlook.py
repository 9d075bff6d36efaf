"""The outlook of an order: which command carries it on, and when that runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from certline.models.documents.projection import time_span
from certline.models.states import CommandStatus, CommandType, OrderStatus

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Command, Order

# The steps that carry an order on from each status; until then it is the order's own command. The poll that has
# found an order issued collects its certificate, too.
STEPS = {
    OrderStatus.SENDING: (CommandType.RECONCILE,),
    OrderStatus.PENDING: (CommandType.POLL,),
    OrderStatus.ISSUED: (CommandType.POLL, CommandType.FETCH),
}
# What is done to the order by each step, next and now.
WORDS = {
    CommandType.RECONCILE: ("looked up at SCM", "it is being looked up"),
    CommandType.POLL: ("asked next", "SCM is being asked"),
    CommandType.FETCH: ("fetched next", "it is being fetched"),
}
SENDING = ("sent", "a worker is at it")


def next_step(db: Session, order: Order) -> Command | None:
    """Load the open command that carries an order on, or None if none does at present."""
    from sqlalchemy import select

    from certline.models import Command
    from certline.models.commands.command import OPEN

    if order.status is OrderStatus.PLACED:
        own = None if order.command_id is None else db.get(Command, order.command_id)
        return own if own is not None and own.status in OPEN else None
    kinds = STEPS.get(order.status)
    if kinds is None:
        return None
    query = select(Command).where(
        Command.type.in_(kinds), Command.subject == order.id, Command.status.in_(OPEN)
    )
    return db.scalars(query).first()


def outlook(step: Command | None, now: datetime) -> str | None:
    """Return when a step runs: `asked next in 24 s`. None without a step."""
    if step is None:
        return None
    later, at_it = WORDS.get(step.type, SENDING)
    if step.status is CommandStatus.RUNNING:
        return at_it
    if step.not_before <= now:
        return f"{later} as soon as a worker is free"
    return f"{later} in {time_span(step.not_before - now)}"


def trouble_of(step: Command | None) -> str | None:
    """Return why a step did not succeed at its last try, or None."""
    # A poll that found the order still open at SCM has succeeded; its text repeats SCM's status.
    if step is None or step.error is None or step.error.startswith("SCM says"):
        return None
    return step.error


def waits_for(order: Order, step: Command | None, now: datetime) -> str | None:
    """Return what an order waits for, with the time and with what went wrong last. None if it has ended."""
    if step is None:
        if order.status is OrderStatus.SENDING:  # its own command may be in the middle of the call
            return "SCM's response; without one, it is looked up at SCM after the settle time"
        if order.status in STEPS or order.status is OrderStatus.PLACED:
            return "nothing is under way; the sweep starts its next step within minutes"
        return None
    told = outlook(step, now)
    if step.status is CommandStatus.QUEUED and step.not_before > now + timedelta(minutes=2):
        told = f"{told} ({step.not_before:%Y-%m-%d %H:%M} UTC)"
    trouble = trouble_of(step)
    # The order's own error is displayed anyway.
    return told if trouble is None or trouble == order.error else f"{told}; last: {trouble}"
