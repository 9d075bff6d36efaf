"""Step 2 of an order: read its status at SCM, and move the order accordingly."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Order, OrderStatus
from certline.models.audit.log import record
from certline.models.commands.payloads import PollCommand, read_payload
from certline.models.database.session import clock
from certline.models.lifecycle.moves import ask_now, follow_with, move, send_to_review
from certline.models.orders.order import locked, order_known_as
from certline.models.validation import BadCommandError
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, TryLater, reading_scm
from certline.workers.runtime.results import OrderResult
from certline.workers.runtime.step import Step, review_subject
from certline.workers.scm import Details, ScmStatus
from certline.workers.steps.cancel import came_after_all, look_after

log = structlog.get_logger()

LONGEST_WAIT = timedelta(hours=1)
# SCM may issue a cancelled order nevertheless, so it is polled until its record at SCM is final.
ASKED_FOR = (OrderStatus.PENDING, OrderStatus.CANCELLED)


@dataclass(frozen=True)
class PollResult(OrderResult):
    """Result of a poll."""

    scm_status: str | None

    @classmethod
    def of(cls, order: Order) -> "PollResult":
        """Return the result for an order in its present state."""
        return cls(order.id, order.status.value, order.scm_status)


def poll(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Poll one order at SCM; a poll command of another system makes the polls of its order, or of all, due now.

    Returns the order's status at the end of polling. Raises TryLater while the order is open at SCM, and
    GiveUp if SCM can't be read: the order is then in `review`.
    """
    if command.subject is None:
        with context.database.transaction() as db:
            return _have_asked(db, read_payload(PollCommand, command.payload))

    with context.database.transaction() as db:
        order = db.get_one(Order, command.subject)
        name_in_logs(order)
        if order.status not in ASKED_FOR or order.scm_id is None:
            return PollResult.of(order).document()
        require_active(order.account)
        cancelled = order.status is OrderStatus.CANCELLED

    try:
        with reading_scm(order.account, command.attempts, MOST_TRIES):
            scm = context.scm(order.account)
            details = scm.details(order.scm_id)
            came = cancelled and came_after_all(scm, order, details)
    except GiveUp as over:
        why = f"SCM could not be asked about it: {over}"
        context.store(partial(send_to_review, order_id=order.id, why=why))
        raise

    first = timedelta(seconds=context.settings.poll_seconds)
    order, wait = context.store(lambda db: _record(db, order.id, details, first, came=came))
    if wait is not None:
        raise TryLater(f"SCM says {details.status or 'nothing'}", after=wait, afresh=True)
    return PollResult.of(order).document()


def wait_after(polls: int, first: timedelta) -> timedelta:
    """Return the wait after the n-th poll: `first`, doubled by each poll, up to one hour."""
    # The shift is capped, since a timedelta would overflow; the hour is reached long before.
    return min(LONGEST_WAIT, first * (1 << min(polls, 20)))


def poll_all(db: Session) -> int:
    """Make the poll of every pending order due now, and return the number of these orders."""
    waiting = db.scalars(select(Order).where(Order.status == OrderStatus.PENDING))
    return len(ask_now(db, waiting))


def _have_asked(db: Session, wanted: PollCommand) -> dict[str, Any]:
    """Make the orders' own polls due now, since an order has only one poll at a time."""
    if wanted.order is None:
        return {"orders": poll_all(db)}
    try:
        order = order_known_as(db, wanted.order, wanted.account)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    if order is None:
        raise GiveUp(f"order: {wanted.order!r} is not known")
    waits = order.status is OrderStatus.PENDING
    return {"orders": len(ask_now(db, [order] if waits else [])), **PollResult.of(order).document()}


def _record(
    db: Session, order_id: str, details: Details, first: timedelta, *, came: bool
) -> tuple[Order, timedelta | None]:
    """Store the status that SCM reported. Returns the order, and the wait if it is still open at SCM."""
    # The order may have moved during the call to SCM, so it is locked and its status checked again.
    order = locked(db, order_id)
    if order.status is OrderStatus.CANCELLED:
        return order, look_after(db, order, details, wait_after(order.polls, first), came=came)
    if order.status is not OrderStatus.PENDING:
        return order, None
    if details.state is ScmStatus.UNKNOWN and details.status != order.scm_status:
        log.warning("poll.unknown_status", order=order.id, status=details.status)
        why = f"SCM's status {details.status!r} is unknown to certline; treated as pending"
        record(db, "order.unknown_status", order.id, who="certline", why=why)
    order.scm_status = details.status or order.scm_status
    order.polls += 1
    # Replaced and expired certificates have been issued too, so there is one to fetch.
    if details.state.is_issued or details.state in (ScmStatus.REPLACED, ScmStatus.EXPIRED):
        order.next_poll_at = None
        move(db, order, OrderStatus.ISSUED)
        follow_with(db, order, CommandType.FETCH)
        return order, None
    if details.state.is_refused or details.state is ScmStatus.REVOKED:
        order.next_poll_at = None
        why = f"SCM's status of {order.scm_id} is {details.status}; see its record in SCM for why"
        move(db, order, OrderStatus.REJECTED, why=why)
        return order, None
    wait = wait_after(order.polls, first)
    order.next_poll_at = clock(db, wait)
    return order, wait


STEP = Step(CommandType.POLL, poll, on_abandoned=review_subject)
