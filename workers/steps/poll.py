"""Step 2 of an order: read its status at SCM, move the order accordingly, and collect what is issued."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Any

import structlog
from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from certline.models import Account, CallKind, Command, CommandType, Order, OrderStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.commands.answers import Answer, is_own_poll
from certline.models.commands.payloads import PollCommand, read_payload
from certline.models.database.session import clock, wake_later
from certline.models.events.data import PollCompleted
from certline.models.lifecycle.moves import ask_now, move, note_move, send_to_review
from certline.models.orders.change import change
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
from certline.workers.steps.fetch import Issued, collect, issued

log = structlog.get_logger()

LONGEST_WAIT = timedelta(hours=1)
# The orders that a requested poll asks SCM about, and those that an order's own poll works on. SCM may issue a
# cancelled order nevertheless, so it is polled until its record at SCM is final.
POLLED = (OrderStatus.PENDING,)
POLLED_BY_ITSELF = (OrderStatus.PENDING, OrderStatus.CANCELLED, OrderStatus.ISSUED)


@dataclass(frozen=True)
class PollResult(OrderResult):
    """Result of a poll."""

    scm_status: str | None

    @classmethod
    def of(cls, order: Order) -> "PollResult":
        """Return the result for an order in its present state."""
        return cls(order.id, order.status.value, order.scm_status)


def load(context: WorkerContext, db: Session, command: Command) -> Order | Issued | dict[str, Any]:
    """Load the order to be polled, and take the turns of the calls. Returns the result if nothing is to be polled.

    Raises GiveUp if the poll names an unknown order.
    """
    own = is_own_poll(command)
    if own:
        order = db.get_one(Order, command.subject)
    else:
        wanted = read_payload(PollCommand, command.payload)
        if wanted.order is None:
            return {"orders": poll_all(db, wanted.account)}
        order = _named(db, wanted)
    name_in_logs(order)
    if order.status not in (POLLED_BY_ITSELF if own else POLLED) or order.scm_id is None:
        return _result(order, own=own, asked=0)
    require_active(order.account)
    # The own poll of an order that is issued collects its certificate too.
    context.provide(db, order.account, CallKind.READ, calls=2 if own else 1)
    return issued(db, order) if order.status is OrderStatus.ISSUED else order


def poll(
    context: WorkerContext, command: Command, found: Order | Issued | dict[str, Any]
) -> dict[str, Any] | None:
    """Poll one order at SCM: again and again as the order's own poll, or once as a poll that was requested.

    A requested poll without an order makes the own poll of every pending order due now. Returns the order's
    status at the end of polling. The own poll goes on with the certificate once it is issued (`fetch.collect`),
    which ends the command. Raises TryLater while the order is open at SCM, and GiveUp if SCM can't be read: the
    order's own poll then puts it in `review`.
    """
    if isinstance(found, dict):
        return found
    if not isinstance(found, Issued):
        own, order = is_own_poll(command), _ask(context, command, found)
        if order.status is not OrderStatus.ISSUED or not own:
            return _result(order, own=own, asked=1)
        found = Issued(order, waited=timedelta(0))
    collect(context, command, found)
    return None


def _ask(context: WorkerContext, command: Command, order: Order) -> Order:
    """Read the order's status at SCM and store it. Returns the order as it is then; raises as `poll` does."""
    own, cancelled = is_own_poll(command), order.status is OrderStatus.CANCELLED
    try:
        with reading_scm(order.account, command.attempts, MOST_TRIES):
            scm = context.scm(order.account)
            details = scm.details(order.scm_id or 0)
            came = cancelled and came_after_all(scm, order, details)
    except GiveUp as over:
        if not own:  # the order's own poll goes on
            raise
        why = f"SCM could not be asked about it: {over}"
        context.store(partial(send_to_review, order_id=order.id, why=why))
        raise

    first = timedelta(seconds=context.settings.poll_seconds) if own else None
    order, wait = context.store(
        partial(_record, order=order, details=details, first=first, came=came)
    )
    if wait is not None:
        raise TryLater(f"SCM says {details.status or 'nothing'}", after=wait, afresh=True)
    return order


def wait_after(polls: int, first: timedelta) -> timedelta:
    """Return the wait after the n-th poll: `first`, doubled by each poll, up to one hour."""
    # The shift is capped, since a timedelta would overflow; the hour is reached long before.
    return min(LONGEST_WAIT, first * (1 << min(polls, 20)))


def poll_all(db: Session, account: str | None = None) -> int:
    """Make the poll of every pending order (of one account) due now, and return the number of these orders."""
    waiting = select(Order).where(Order.status == OrderStatus.PENDING)
    if account is not None:
        waiting = waiting.where(Order.account.has(Account.name == account))
    return ask_now(db, db.scalars(waiting))


def _named(db: Session, wanted: PollCommand) -> Order:
    """Return the order that a requested poll names. Raises GiveUp if it is unknown or ambiguous."""
    try:
        order = order_known_as(db, wanted.order or "", wanted.account)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None
    if order is None:
        raise GiveUp(f"order: {wanted.order!r} is not known")
    return order


def _result(order: Order, *, own: bool, asked: int) -> dict[str, Any]:
    """Return the result of a poll; that of a requested one says whether SCM was asked."""
    result = PollResult.of(order).document()
    return result if own else {"orders": asked, **result}


def _answer(db: Session, command: Command, result: dict[str, Any]) -> Answer | None:
    """Return the event about a requested poll; an order's own poll has none, the order's moves have theirs."""
    if is_own_poll(command):
        return None
    order = db.get(Order, result.get("order_id", ""))
    if order is None:
        return Answer(PollCompleted(orders=result["orders"]), None)
    # Only now: an open poll with a subject would be taken for the order's own, of which there is one.
    command.subject = order.id
    event = PollCompleted(
        orders=result["orders"],
        order_id=order.id,
        account=order.account.name,
        scm_id=order.scm_id,
        common_name=order.common_name,
        status=order.status,
        scm_status=order.scm_status,
        certificate_id=order.certificate_id,
    )
    return Answer(event, order.id)


def _record(
    db: Session, order: Order, details: Details, first: timedelta | None, *, came: bool
) -> tuple[Order, timedelta | None]:
    """Store the status that SCM reported. Returns the order, and the wait if it is still open at SCM.

    `first`: the wait after the order's first poll; None for a requested poll, which plans no further one.
    """
    # Replaced and expired certificates have been issued too, so there is one to fetch.
    if details.state.is_issued or details.state in (ScmStatus.REPLACED, ScmStatus.EXPIRED):
        became = _become_issued(db, order, details, own=first is not None)
        if became is not None:
            return became, None
    # The order may have moved during the call to SCM, so it is locked and its status checked again.
    order = locked(db, order.id)
    if order.status is OrderStatus.CANCELLED and first is not None:
        return order, look_after(db, order, details, wait_after(order.polls, first), came=came)
    if order.status is not OrderStatus.PENDING:
        return order, None
    if details.state is ScmStatus.UNKNOWN and details.status != order.scm_status:
        log.warning("poll.unknown_status", order=order.id, status=details.status)
        why = f"SCM's status {details.status!r} is unknown to certline; treated as pending"
        record(db, "order.unknown_status", order.id, who=WORKER, why=why)
    order.scm_status = details.status or order.scm_status
    order.polls += first is not None
    if details.state.is_refused or details.state is ScmStatus.REVOKED:
        order.next_poll_at = None
        why = f"SCM's status of {order.scm_id} is {details.status}; see its record in SCM for why"
        move(db, order, OrderStatus.REJECTED, why=why)
        return order, None
    if first is None:
        return order, None
    wait = wait_after(order.polls, first)
    order.next_poll_at = clock(db, wait)
    return order, wait


def _become_issued(db: Session, order: Order, details: Details, *, own: bool) -> Order | None:
    """Move a pending order to `issued`. Returns it as it is then, or None if it was not pending any more."""
    given = {"own_id": order.id, "word": details.status or None, "more": int(own)}
    if not change(db, order, _issuing(), given):
        return None
    note_move(db, order, OrderStatus.PENDING)
    if own:
        wake_later(db)  # this poll goes on with the certificate
    else:
        ask_now(db, [order])  # the order's own poll collects it
    return order


@cache
def _issuing() -> ReturningUpdate[*tuple[Any, ...]]:
    """Return the statement of that move; it is built once, because every order runs it."""
    return (
        update(Order)
        .where(Order.id == bindparam("own_id"), Order.status == OrderStatus.PENDING)
        .values(
            status=OrderStatus.ISSUED,
            scm_status=func.coalesce(bindparam("word"), Order.scm_status),
            polls=Order.polls + bindparam("more"),
            next_poll_at=None,
            issued_at=func.coalesce(Order.issued_at, func.now()),
            updated_at=func.now(),
            error=None,
        )
        .returning(
            Order.status,
            Order.scm_status,
            Order.polls,
            Order.next_poll_at,
            Order.issued_at,
            Order.updated_at,
            Order.error,
        )
    )


STEP = Step(CommandType.POLL, poll, load, on_abandoned=review_subject, answer=_answer)
