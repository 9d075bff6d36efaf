"""Moves of an order: its status, audit entry, event and command are changed in one transaction."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import TypedDict, cast

from sqlalchemy import Boolean, ColumnElement, Table, bindparam, case, exists, func, update
from sqlalchemy.orm import Session

from certline.models.audit.identity import WORKER, Identity
from certline.models.audit.log import add_entry, entry
from certline.models.certificates.backoff import renewal_failed
from certline.models.certificates.deploy_hook import HOOK_EVENTS, start_hooks
from certline.models.certificates.license import orders_to_release
from certline.models.commands.bulk import begin_step
from certline.models.commands.command import (
    ENDED,
    OPEN,
    Command,
    finish,
    hasten,
    open_step,
)
from certline.models.database.session import clock
from certline.models.events.base import EventData
from certline.models.events.data import (
    OrderCancelled,
    OrderHeld,
    OrderIssued,
    OrderMoved,
    OrderPending,
    OrderRejected,
    OrderReview,
)
from certline.models.events.license_data import LicenseReleased
from certline.models.events.outbox import emit_event
from certline.models.lifecycle.announcement import announce
from certline.models.orders.order import Order, locked
from certline.models.states import CommandStatus, CommandType, OrderStatus

# Statuses that are published when an order enters them, and their events (docs/events.md).
STATUS_EVENTS: dict[OrderStatus, type[OrderMoved]] = {
    OrderStatus.PENDING: OrderPending,
    OrderStatus.ISSUED: OrderIssued,
    OrderStatus.HELD: OrderHeld,
    OrderStatus.REJECTED: OrderRejected,
    OrderStatus.CANCELLED: OrderCancelled,
    OrderStatus.REVIEW: OrderReview,
}

# Statuses in which certline moves the order on automatically.
ON_THEIR_WAY = frozenset(
    {OrderStatus.PLACED, OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED}
)

# Statuses of an order that ended without a usable certificate; a user decides whether to order again.
REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED})

# Status of a command that led to an order, by the order's status.
MEANS = {
    OrderStatus.PLACED: CommandStatus.RUNNING,
    OrderStatus.SENDING: CommandStatus.RUNNING,
    OrderStatus.PENDING: CommandStatus.RUNNING,
    OrderStatus.ISSUED: CommandStatus.RUNNING,
    OrderStatus.HELD: CommandStatus.HELD,
    OrderStatus.STORED: CommandStatus.DONE,
    OrderStatus.REJECTED: CommandStatus.FAILED,
    OrderStatus.CANCELLED: CommandStatus.FAILED,
    OrderStatus.REVIEW: CommandStatus.REVIEW,
}


# Not structlog's, which commands would have to load; the parts format both alike (`workers.process.logs`).
log = logging.getLogger(__name__)


def move(
    db: Session,
    order: Order,
    status: OrderStatus,
    *,
    why: str | None = None,
    who: Identity = WORKER,
) -> None:
    """Move an order to a status, with its audit entry, its event and its command.

    `why` becomes the order's error; None clears it. If a renewal is rejected or cancelled, its line waits for an
    operator (`models.certificates.backoff`). Raises IllegalMoveError if `MOVES` has no such move.
    """
    before = order.status
    order.become(status)
    order.error = why
    order.updated_at = clock(db)
    if status is OrderStatus.ISSUED and order.issued_at is None:
        order.issued_at = order.updated_at
    note_move(db, order, before, why=why, who=who)


def note_move(
    db: Session,
    order: Order,
    before: OrderStatus,
    *,
    why: str | None = None,
    who: Identity = WORKER,
) -> None:
    """Write what belongs to a move that the order has made: its audit entry, its event and its command."""
    status = order.status
    _tell(order, why)
    noted = entry(
        f"order.{status}",
        order.id,
        who=who,
        why=why,
        command_id=order.command_id,
        before=before,
        scm_id=order.scm_id,
    )
    if status in STATUS_EVENTS:
        event = status_event(order, status, why)
        announce(db, event, noted, subject=order.id, correlation_id=order.command_id)
    else:
        add_entry(db, noted)
    _follow(db, order)
    if status in REFUSED and order.renewed_line is not None:
        reason = why or f"order {order.id} is {status}"
        renewal_failed(db, order.renewed_line, permanent=True, reason=reason)


def _tell(order: Order, why: str | None) -> None:
    """Log a move that somebody should know about: in `review` a person has to act."""
    facts = {"order": order.id, "why": why}
    match order.status:
        case OrderStatus.REVIEW:
            log.error("order.review", extra=facts)
        case OrderStatus.HELD:
            log.warning("order.held", extra=facts)
        case OrderStatus.REJECTED:
            log.warning("order.rejected", extra=facts)


def status_event(order: Order, status: OrderStatus, why: str | None) -> OrderMoved:
    """Return the event about an order with that status, one of STATUS_EVENTS."""
    return STATUS_EVENTS[status](
        **order_facts(order), status=status, certificate_id=order.certificate_id, reason=why
    )


def send_to_review(db: Session, order_id: str, why: str) -> None:
    """Move an order to `review` if it is still in progress: certline can't continue it automatically."""
    order = locked(db, order_id)
    if order.status in ON_THEIR_WAY:
        move(db, order, OrderStatus.REVIEW, why=why)


def cancelled_but_issued(order: Order) -> str:
    """Return the reason for the review of a cancelled order that SCM has issued nevertheless."""
    return (
        f"it was cancelled, but SCM has issued it anyway as {order.scm_id}: adopt it and revoke it, "
        "or leave it at SCM"
    )


def note(db: Session, order: Order, why: str) -> None:
    """Store the reason why an order does not move, on the order and on its command."""
    order.error = why
    _follow(db, order)


class OrderFacts(TypedDict):
    """Facts about an order that each of its events has: ids and public facts only."""

    order_id: str
    account: str
    scm_id: int | None
    common_name: str
    sans: list[str]


def order_facts(order: Order) -> OrderFacts:
    """Return the facts that each event about an order has."""
    return {
        "order_id": order.id,
        "account": order.account.name,
        "scm_id": order.scm_id,
        "common_name": order.common_name,
        "sans": order.sans,
    }


def emit_order_event(db: Session, order: Order, event: EventData) -> None:
    """Store an event about an order, and start the deploy hooks that wait for it."""
    emit_event(db, event, subject=order.id, correlation_id=order.command_id)
    if event.event_type in HOOK_EVENTS.values() and order.certificate_id is not None:
        start_hooks(
            db,
            event.event_type,
            order.certificate_id,
            requested_by=Identity.of_row(order.requested_by),
            correlation_id=order.command_id,
        )


def is_to_be_cancelled() -> ColumnElement[bool]:
    """Return the SQL condition that an order's cancelling was requested: it is not sent any more."""
    return exists().where(
        Command.type == CommandType.CANCEL,
        Command.subject == Order.id,
        Command.status.in_(OPEN),
    )


def follow_with(
    db: Session, order: Order, step: CommandType, *, after: timedelta = timedelta(0)
) -> bool:
    """Begin the order's next step, due after `after`. Returns False if that step is open already."""
    return begin_step(
        db,
        step,
        order.id,
        requested_by=Identity.of_row(order.requested_by),
        correlation_id=order.command_id,
        after=after,
    )


def ask_now(db: Session, orders: Iterable[Order]) -> int:
    """Poll pending orders now; returns how many. A running poll is left alone; it is already asking SCM."""
    count = 0
    for order in orders:
        count += 1
        if not follow_with(db, order, CommandType.POLL):
            poll = open_step(db, CommandType.POLL, order.id)
            if poll is not None and poll.status is CommandStatus.QUEUED:
                hasten(db, poll)
    return count


def release_held(db: Session, *, why: str, who: Identity = WORKER) -> list[Order]:
    """Move the oldest held orders on to `issued`, as many as there are free lines, and return them.

    `why` is published with the event `license.released`.
    """
    released = orders_to_release(db)
    for order in released:
        move(db, order, OrderStatus.ISSUED, why=None, who=who)
        follow_with(db, order, CommandType.FETCH)
    if released:
        ids = [order.id for order in released]
        emit_event(db, LicenseReleased(orders=ids, reason=why), subject=None, correlation_id=None)
    return released


# `finish` for a command that is not loaded, in one statement: each move of an order runs it.
_COMMAND = Command.__table__.c
_FOLLOW = (
    update(cast("Table", Command.__table__))
    .where(_COMMAND.id == bindparam("of_id"), _COMMAND.status != CommandStatus.DONE)
    .values(
        status=bindparam("to"),
        result=bindparam("with_result"),
        error=bindparam("why"),
        touched_at=func.now(),
        finished_at=case((bindparam("ended", type_=Boolean), func.now())),
    )
)


def _follow(db: Session, order: Order) -> None:
    if order.command_id is None:
        return
    status = MEANS[order.status]
    result = {
        "order_id": order.id,
        "scm_id": order.scm_id,
        "order_status": order.status.value,
        "certificate_id": order.certificate_id,
    }
    # A command that is done stays so: the order may move again later, for a reason of its own.
    if Session.identity_key(Command, order.command_id) in db.identity_map:
        command = db.get_one(Command, order.command_id, with_for_update=True)
        if command.status is not CommandStatus.DONE:
            finish(db, command, status, result=result, error=order.error)
        return
    change = {"of_id": order.command_id, "to": status, "with_result": result, "why": order.error}
    db.connection().execute(_FOLLOW, {**change, "ended": status in ENDED})
