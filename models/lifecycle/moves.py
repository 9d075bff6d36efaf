"""How an order moves: the state, the log row, the event and the command it came from, together."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from certline.models.audit.log import record
from certline.models.certificates.backoff import renewal_failed
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.deploy_hook import HOOK_EVENTS, start_hooks
from certline.models.certificates.license import orders_to_release
from certline.models.commands.command import (
    Command,
    CommandStatus,
    CommandType,
    accept,
    finish,
    hasten,
)
from certline.models.database.session import clock
from certline.models.events.outbox import emit_event
from certline.models.orders.order import Order, locked
from certline.models.states import OrderStatus

# Moves that other systems hear of, and the event each is told by (contract: events out).
TOLD = {
    OrderStatus.PENDING: "order.pending",
    OrderStatus.ISSUED: "order.issued",
    OrderStatus.HELD: "order.held",
    OrderStatus.REJECTED: "order.rejected",
    OrderStatus.CANCELLED: "order.cancelled",
    OrderStatus.REVIEW: "order.review",
}

# States that a step moves an order on from.
ON_THEIR_WAY = frozenset(
    {OrderStatus.PLACED, OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED}
)

# An order that has ended without a certificate: only a person knows whether to ask again.
REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.CANCELLED})

# What an order's state means for the command that asked for it.
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


def move(
    db: Session, order: Order, status: OrderStatus, *, why: str | None = None, who: str = "certline"
) -> None:
    """Move an order, and with it its log, its event and its command.

    `why` is kept as the order's error where the move is not a step forward.
    Raises IllegalMoveError.
    """
    before = order.status
    order.become(status)
    order.error = why
    order.updated_at = clock(db)
    if status is OrderStatus.ISSUED and order.issued_at is None:
        order.issued_at = order.updated_at
    record(
        db,
        f"order.{status}",
        order.id,
        who=who,
        why=why,
        command_id=order.command_id,
        before=before,
        scm_id=order.scm_id,
    )
    if status in TOLD:
        tell(db, TOLD[status], order, reason=why)
    _follow(db, order)
    if status in REFUSED and order.renewed_line is not None:
        reason = why or f"order {order.id} is {status}"
        renewal_failed(db, order.renewed_line, permanent=True, reason=reason)


def send_to_review(db: Session, order_id: str, why: str) -> None:
    """A person has to look at an order that can go no further by itself."""
    order = locked(db, order_id)
    if order.status in ON_THEIR_WAY:
        move(db, order, OrderStatus.REVIEW, why=why)


def note(db: Session, order: Order, why: str) -> None:
    """Say why an order stays as it is, on the order and on its command."""
    order.error = why
    _follow(db, order)


def tell(db: Session, kind: str, order: Order, **more: Any) -> None:
    """Publish an event about an order: ids and public facts; hooks that wait for it are started."""
    facts = {
        "order_id": order.id,
        "account": order.account.name,
        "scm_id": order.scm_id,
        "common_name": order.common_name,
        "sans": order.sans,
        "status": order.status.value,
        "certificate_id": order.certificate_id,
        **more,
    }
    emit_event(db, kind, facts, subject=order.id, correlation_id=order.command_id)
    if kind in HOOK_EVENTS.values() and order.certificate_id is not None:
        start_hooks(
            db,
            kind,
            db.get_one(Certificate, order.certificate_id),
            requested_by=order.requested_by,
            correlation_id=order.command_id,
        )


def follow_with(
    db: Session, order: Order, step: CommandType, *, after: timedelta = timedelta(0)
) -> Command:
    """The order's next step as a command of the line's own, due after a while."""
    command, _ = accept(
        db,
        step,
        {"order": order.id},
        requested_by=order.requested_by,
        source="certline",
        subject=order.id,
        correlation_id=order.command_id,
        after=after,
    )
    return command


def ask_now(db: Session, orders: Iterable[Order]) -> list[Command]:
    """Have pending orders asked for now. A poll that runs is left alone: it asks already."""
    polls = [follow_with(db, order, CommandType.POLL) for order in orders]
    for poll in polls:
        if poll.status is CommandStatus.QUEUED:
            hasten(db, poll)
    return polls


def release_held(db: Session, *, why: str) -> list[Order]:
    """Send the oldest held orders on, as far as the licence has room, in order."""
    released = orders_to_release(db)
    for order in released:
        move(db, order, OrderStatus.ISSUED, why=None)
        follow_with(db, order, CommandType.FETCH)
    if released:
        ids = [order.id for order in released]
        emit_event(
            db,
            "license.released",
            {"orders": ids, "reason": why},
            subject=None,
            correlation_id=None,
        )
    return released


def _follow(db: Session, order: Order) -> None:
    if order.command_id is None:
        return
    command = db.get_one(Command, order.command_id, with_for_update=True)
    if command.status is CommandStatus.DONE:
        return
    finish(
        db,
        command,
        MEANS[order.status],
        result={
            "order_id": order.id,
            "scm_id": order.scm_id,
            "order_status": order.status.value,
            "certificate_id": order.certificate_id,
        },
        error=order.error,
    )
