"""The step `cancel`: cancel an order that SCM has not issued, or one that is held; harmless when repeated.

An order that SCM does not decline is cancelled in our database only and never fetched; it is polled until
SCM's record is final, in case SCM issues it anyway.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Order, OrderKind, OrderStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record as write_entry
from certline.models.commands.answers import Answer
from certline.models.commands.payloads import CancelCommand, read_payload
from certline.models.database.session import clock
from certline.models.lifecycle.moves import ask_now, cancelled_but_issued, move, note, status_event
from certline.models.orders.order import locked, open_twin, order_known_as
from certline.models.validation import BadCommandError
from certline.workers.keys import chain as chains
from certline.workers.keys.errors import ChainError
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.runtime.results import OrderResult
from certline.workers.runtime.step import plain_step
from certline.workers.scm import Details, NotReady, Refused, ScmClient, ScmStatus, TryAgain

# How long a cancelled reissue is polled once SCM's record is no longer pending. A reissue shares the record
# of the certificate it replaces, so the record never shows that the reissue is over.
LOOK_FOR_A_REISSUE = timedelta(days=1)


@dataclass(frozen=True)
class CancelAnswer:
    """Result of a cancellation at SCM. `came`: SCM has already issued the certificate; `record`: SCM's record
    of the order, if it was read; `refusal`: why SCM did not decline the order.
    """

    declined: bool
    came: bool = False
    record: Details | None = None
    refusal: str = ""


@dataclass(frozen=True)
class CancelResult(OrderResult):
    """Result of the step. `declined`: SCM has declined the order; `said`: why the order is cancelled."""

    scm_id: int | None
    scm_status: str | None
    declined: bool
    said: str | None

    @classmethod
    def of(cls, order: Order, *, declined: bool) -> "CancelResult":
        """Return the result for an order in its present state."""
        return cls(
            order_id=order.id,
            order_status=order.status.value,
            scm_id=order.scm_id,
            scm_status=order.scm_status,
            declined=declined,
            said=order.error,
        )


def cancel(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Cancel the command's order: only in our database if it was never sent or is held, otherwise at SCM too.

    Raises GiveUp if the order cannot be cancelled, TryLater, AccountSuspendedError.
    """
    wanted = read_payload(CancelCommand, command.payload)
    try:
        with context.database.transaction() as db:
            order = order_to_cancel(db, wanted)
            name_in_logs(order)
            db.get_one(Command, command.id).subject = order.id
            if _cancel_here(db, command, order.id, wanted.comments):
                fresh = db.get_one(Order, order.id)
                return CancelResult.of(fresh, declined=False).document()
            require_active(order.account)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None

    with reading_scm(order.account, command.attempts, MOST_TRIES):
        answer = ask(context.scm(order.account), order, wanted.comments)
    if answer.came:  # poll now, so that the certificate is fetched without delay
        context.store(lambda db: ask_now(db, [locked(db, order.id)]))
        raise GiveUp(
            f"SCM has already issued {order.scm_id}: once it is stored, certline certificate revoke"
        )
    result = context.store(partial(_store, command=command, order_id=order.id, answer=answer))
    return result.document()


def order_to_cancel(db: Session, wanted: CancelCommand) -> Order:
    """Return the order that the command names. Raises BadCommandError if it is unknown or of another account."""
    order = order_known_as(db, wanted.order, wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if wanted.account not in (None, order.account.name):
        raise BadCommandError(
            [f"account: order {order.id} belongs to {order.account.name!r}, not {wanted.account!r}"]
        )
    return order


def require_cancellable(order: Order) -> None:
    """Raise BadCommandError if the order's status does not allow cancelling."""
    objection = _objection(order)
    if objection is not None:
        raise BadCommandError([f"order {order.id} {objection}"])


def _cancel_here(db: Session, command: Command, order_id: str, comments: str) -> bool:
    """Cancel an order that was never sent, or is held. Returns True if the order is cancelled, False if SCM has
    to be asked. Raises BadCommandError if the order's status does not allow cancelling.
    """
    # Claiming an order for sending needs the same lock, so a PLACED order cannot be sent from now on.
    order = locked(db, order_id)
    require_cancellable(order)
    if order.status is OrderStatus.PLACED:
        why = f"cancelled before it was sent: {comments}"
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requester)
    elif order.status is OrderStatus.HELD:
        why = (
            f"cancelled in certline only: {comments}. SCM has issued it as {order.scm_id}, and its "
            f"certificate stays valid until it is revoked: certline certificate revoke {order.id}"
        )
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requester)
    return order.status is OrderStatus.CANCELLED


def _objection(order: Order) -> str | None:
    match order.status:
        case OrderStatus.SENDING:
            return (
                "is being sent, or it is unknown whether SCM has it; certline looks it up at SCM, and "
                "it can be cancelled once that is known"
            )
        case OrderStatus.ISSUED:
            return "is issued: SCM has issued it, and once it is stored it can be revoked"
        case OrderStatus.STORED:
            return f"is stored: certline certificate revoke {order.certificate_id}"
        case OrderStatus.REVIEW:
            return f"is in review: certline order resolve {order.id}"
        case OrderStatus.REJECTED:
            return "is rejected: there is nothing to cancel"
        case _:
            return None


def ask(scm: ScmClient, order: Order, comments: str) -> CancelAnswer:
    """Ask SCM to decline an order. If SCM refuses, its record is read to learn the order's state.

    A reissue is only read: it shares the sslId of the certificate it replaces, so a decline would be about
    that certificate. Raises ScmError.
    """
    number = order.scm_id or 0
    refusal = "a reissue can't be cancelled at SCM"
    if order.kind is not OrderKind.REISSUE:
        try:
            scm.decline(number, comments)
        except TryAgain:  # a kind of Refused, but the same request may succeed later
            raise
        except Refused as refused:
            refusal = str(refused)
        else:
            return CancelAnswer(declined=True)
    record = scm.details(number)
    came = came_after_all(scm, order, record)
    return CancelAnswer(declined=False, came=came, record=record, refusal=refusal)


def came_after_all(scm: ScmClient, order: Order, record: Details) -> bool:
    """Return True if SCM has issued the order's certificate. Raises ScmError."""
    if order.kind is not OrderKind.REISSUE:
        return record.state.is_issued or record.state in (ScmStatus.REPLACED, ScmStatus.EXPIRED)
    # A reissue shares the record of the certificate it replaces, so only the key identifies its certificate.
    try:
        found = chains.read_certificates(scm.collect(record.ssl_id))
    except (NotReady, ChainError):
        return False
    return chains.has_key(found, order.public_key_sha256 or "")


def look_after(
    db: Session, order: Order, record: Details, wait: timedelta, *, came: bool
) -> timedelta | None:
    """Store SCM's current state of a cancelled order, which the caller has locked.

    Returns the time until the next poll, or None if SCM's record is final. An order that SCM has issued
    anyway (`came`) is set to review.
    """
    order.scm_status = record.status or order.scm_status
    order.polls += 1
    order.next_poll_at = None
    if came:
        why = cancelled_but_issued(order)
        twin = open_twin(db, order.business_key)
        if twin is None:
            move(db, order, OrderStatus.REVIEW, why=why)
        else:  # the same was ordered once more meanwhile, and only one such order may be open
            note(db, order, f"{why}; order {twin.id} for the same is {twin.status}")
            write_entry(db, "order.issued_anyway", order.id, who=WORKER, why=order.error)
        return None
    if record.state.is_refused or record.state is ScmStatus.REVOKED:
        return None
    cancelled_for = clock(db) - order.updated_at
    if (
        order.kind is OrderKind.REISSUE
        and not record.state.is_pending
        and cancelled_for > LOOK_FOR_A_REISSUE
    ):
        return None
    order.next_poll_at = clock(db, wait)
    return wait


def _store(db: Session, command: Command, order_id: str, answer: CancelAnswer) -> CancelResult:
    order = locked(db, order_id)
    if order.status not in (OrderStatus.PENDING, OrderStatus.CANCELLED):
        raise GiveUp(f"order {order.id} has become {order.status} in the meantime")
    if order.status is OrderStatus.PENDING:
        order.next_poll_at = None
        why = _why(order, command, answer)
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requester)
        # Poll until SCM's record is final: SCM may still issue an order that only we have cancelled.
        ask_now(db, [order])
    return CancelResult.of(order, declined=answer.declined)


def _why(order: Order, command: Command, answer: CancelAnswer) -> str:
    comments = command.payload["comments"]
    if answer.declined or answer.record is None:
        # SCM confirms a decline without sending the record (SCM document: transitions).
        order.scm_status = ScmStatus.DECLINED.value
        return f"declined at SCM: {comments}"
    order.scm_status = answer.record.status or order.scm_status
    if answer.record.state.is_refused:
        return f"cancelled, and SCM's status of {order.scm_id} is {order.scm_status}: {comments}"
    return (
        f"cancelled in certline only: {comments}. SCM still has {order.scm_id} ({order.scm_status}): "
        f"{answer.refusal}. It will not be fetched; if SCM issues it, the order goes to review"
    )


def _answer(db: Session, _: Command, result: dict[str, Any]) -> Answer:
    """Return the event for who cancelled the order; the order's own command has got one of its own."""
    order = db.get_one(Order, result["order_id"])
    event = status_event(order, OrderStatus.CANCELLED, result["said"])
    return Answer(event, order.id)


STEP = plain_step(CommandType.CANCEL, cancel, answer=_answer)
