"""Send an order to SCM, once; the same for new orders, renewals and reissues.

Order, key, CSR and claim are committed before the call, and the response is stored under the claim's fence;
an order with an unknown outcome rests in `sending` until `reconcile` looks it up.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from certline.models import (
    Account,
    CallKind,
    Certificate,
    CommandType,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.lifecycle.moves import follow_with, is_to_be_cancelled, move, note
from certline.models.orders.order import locked
from certline.models.renewals.failures import rest_after
from certline.models.settings import Settings
from certline.workers.ordering.reference import sent_comment
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.outcomes import (
    AccountSuspendedError,
    TryLater,
    costs_attempt,
    pause_after,
)
from certline.workers.scm import (
    Enrolled,
    Enrolment,
    LoginRefused,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmClient,
    Throttled,
    TryAgain,
)
from certline.workers.scm.transport.connections import since_boot

log = structlog.get_logger()

# Failed attempts after which an order goes to `review`; with growing pauses they take some hours.
# Renewals have no limit: in the end they are attempted once a day.
MOST_ATTEMPTS = 20

# Seconds from the claim to the first byte of the POST; later the POST isn't sent. A third of the settle time
# at most (`send_within`), so that no POST of a frozen worker leaves after reconciling has begun.
SEND_WITHIN = 60.0

# SCM's code for "the profile does not allow renewal" (SCM document: error codes).
NO_RENEWAL = -180


@dataclass(frozen=True)
class Claim:
    """The right to make the one call for an order.

    `fence`: its number; the response is stored only while no later claim exists. `predecessor`: the sslId of
    the certificate to renew or reissue.
    """

    order: Order
    account: Account
    fence: int
    attempt: int
    predecessor: int | None


def send(context: WorkerContext, order_id: str) -> None:
    """Send an order that is `placed` to SCM; an order with another status is left unchanged.

    The outcome is stored as the order's status. Raises TryLater if the order is to be sent again later,
    AccountSuspendedError if SCM refuses the login, and GiveUp if the account was removed.
    """
    with context.database.transaction() as db:
        waiting = db.get_one(Order, order_id)
        name_in_logs(waiting)
        if waiting.status is not OrderStatus.PLACED:
            return
        require_active(waiting.account)
        if waiting.attempts >= MOST_ATTEMPTS and waiting.renewed_line is None:
            _give_up(db, order_id)
            return
        scm = context.scm(waiting.account)  # before the claim: an unreadable password sends nothing
    # Wait for the turn before the claim, since the claim's time is short.
    context.admit(waiting.account, CallKind.ORDER)
    # Counted from before the claim, so it can't end later than `send_within` after `sent_at`.
    send_before = since_boot() + send_within(context.settings)
    with context.database.transaction() as db:
        claim = claim_to_send(db, order_id)
    if claim is None:
        return

    try:
        answer = _call(scm, claim, send_before)
    except (NotSent, Throttled, TryAgain) as trouble:  # surely not executed
        costs = costs_attempt(trouble)
        rest = context.store(partial(_release, claim=claim, why=str(trouble), costs_attempt=costs))
        wait = max(rest, pause_after(trouble, claim.attempt))
        raise TryLater(str(trouble), after=wait) from None
    except LoginRefused as refusal:
        context.store(partial(_release, claim=claim, why=str(refusal), costs_attempt=False))
        raise AccountSuspendedError(claim.account.id, refusal) from None
    except Refused as refusal:
        if refusal.code == NO_RENEWAL and claim.order.kind is OrderKind.RENEWAL:
            context.store(partial(_order_anew, claim=claim, why=str(refusal)))
            raise TryLater("it is sent again as a new order", after=timedelta(0)) from None
        context.store(partial(_reject, claim=claim, why=str(refusal)))
        return
    except OutcomeUnknown as unknown:
        why = str(unknown)
        context.store(partial(_leave_unknown, claim=claim, why=why, rest=context.settings.settle))
        return

    log.info("order.sent", order=claim.order.id, scm_id=answer.ssl_id)
    first_poll = timedelta(seconds=context.settings.poll_seconds)
    context.store(partial(_record_answer, claim=claim, answer=answer, first_poll=first_poll))


def send_within(settings: Settings) -> float:
    """Return the seconds that may pass between a claim and the first byte of its POST."""
    return min(SEND_WITHIN, settings.settle_seconds / 3)


def claim_to_send(db: Session, order_id: str) -> Claim | None:
    """Claim an order: move it from `placed` to `sending`, and increment its fence.

    Returns None if the order is no longer `placed`, or is about to be cancelled.
    The caller has to commit before the call to SCM.
    """
    # One UPDATE with the status in its WHERE: of two workers at once, only one gets a row back.
    fence = db.scalar(
        update(Order)
        .where(Order.id == order_id, Order.status == OrderStatus.PLACED, ~is_to_be_cancelled())
        .values(
            status=OrderStatus.SENDING,
            fence=Order.fence + 1,
            attempts=Order.attempts + 1,
            looks=0,
            sent_at=func.now(),
            updated_at=func.now(),
            error=None,
        )
        .returning(Order.fence)
        # Safe: the order is loaded again below, with populate_existing.
        .execution_options(synchronize_session=False)
    )
    if fence is None:
        return None
    order = db.get_one(Order, order_id, populate_existing=True)
    record(db, "order.sending", order.id, who=WORKER, command_id=order.command_id, fence=fence)
    return Claim(order, order.account, fence, order.attempts, predecessor_at_scm(db, order))


def predecessor_at_scm(db: Session, order: Order) -> int | None:
    """Return the sslId of the certificate that an order renews or reissues, or None."""
    query = select(Certificate.scm_id).where(Certificate.id == order.predecessor_id)
    return None if order.predecessor_id is None else db.scalars(query).one()


def take_over(db: Session, order: Order, answer: Enrolled, first_poll: timedelta) -> None:
    """Store the sslId that SCM gave the order, move the order to `pending`, and plan its first poll."""
    order.scm_id = answer.ssl_id
    order.renew_id = answer.renew_id or order.renew_id
    order.looks = 0
    move(db, order, OrderStatus.PENDING)
    order.next_poll_at = order.updated_at + first_poll
    follow_with(db, order, CommandType.POLL, after=first_poll)


def _call(scm: ScmClient, claim: Claim, send_before: float) -> Enrolled:
    order, predecessor = claim.order, claim.predecessor or 0
    match order.kind:
        case OrderKind.RENEWAL:
            successor = scm.renew(predecessor, order.csr or "", send_before=send_before)
            return Enrolled(successor, None)
        case OrderKind.REISSUE:
            scm.replace(
                predecessor,
                order.csr or "",
                order.reason or "",
                common_name=order.common_name,
                sans=order.names,
                send_before=send_before,
            )
            return Enrolled(predecessor, None)
        case _:
            return scm.enroll(_enrolment(order), send_before=send_before)


def _enrolment(order: Order) -> Enrolment:
    return Enrolment(
        org_id=order.organization_id,
        profile_id=order.profile_id,
        term=order.term or 0,
        csr=order.csr or "",
        sans=tuple(order.names),
        comments=sent_comment(order),
        external_requesters=tuple(order.external_requesters),
        custom_fields=tuple(order.custom_fields.items()),
    )


def _held_by(db: Session, claim: Claim) -> Order | None:
    """Lock and return the order if this claim is still the latest; None if the result is late (fence)."""
    current = locked(db, claim.order.id)
    if current.fence != claim.fence or current.status is not OrderStatus.SENDING:
        log.warning("order.fenced", order=current.id, fence=claim.fence, now=current.fence)
        return None
    return current


def _record_answer(db: Session, claim: Claim, answer: Enrolled, first_poll: timedelta) -> None:
    current = _held_by(db, claim)
    if current is not None:
        take_over(db, current, answer, first_poll)
    else:
        _record_late(db, claim, answer, first_poll)


def _record_late(db: Session, claim: Claim, answer: Enrolled, first_poll: timedelta) -> None:
    """Record a response that the fence has refused: it proves nevertheless that SCM has the order."""
    current = locked(db, claim.order.id)
    if current.scm_id == answer.ssl_id:
        return  # reconciling has found it already
    why = f"a late response shows that SCM has this order as {answer.ssl_id}"
    record(
        db,
        "order.late_answer",
        current.id,
        who=WORKER,
        why=why,
        command_id=current.command_id,
        scm_id=answer.ssl_id,
        fence=claim.fence,
    )
    if current.status is OrderStatus.PLACED:  # about to be sent again, which this makes needless
        # MOVES has no move from `placed` to `pending`; the one through `sending` is not recorded.
        current.become(OrderStatus.SENDING)
        take_over(db, current, answer, first_poll)
    elif current.status is OrderStatus.CANCELLED:
        move(db, current, OrderStatus.REVIEW, why=f"{why}, though it was cancelled")
    elif current.status in (OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED):
        move(db, current, OrderStatus.REVIEW, why=f"{why}; SCM may have it twice")


def _release(db: Session, claim: Claim, why: str, *, costs_attempt: bool) -> timedelta:
    """Move an order that SCM surely did not execute back to `placed`. Returns the wait before the next attempt."""
    current = _held_by(db, claim)
    if current is None:
        return timedelta(0)
    if not costs_attempt:
        current.attempts -= 1
    move(db, current, OrderStatus.PLACED, why=why)
    return rest_after(db, current, current.attempts, why) if costs_attempt else timedelta(0)


def _reject(db: Session, claim: Claim, why: str) -> None:
    current = _held_by(db, claim)
    if current is not None:
        move(db, current, OrderStatus.REJECTED, why=why)


def _order_anew(db: Session, claim: Claim, why: str) -> None:
    """Turn a renewal that its profile doesn't allow into a new order with the same data, key and line."""
    current = _held_by(db, claim)
    if current is not None:
        current.kind = OrderKind.NEW
        move(db, current, OrderStatus.PLACED, why=f"{why}: now a new order with the same data")


def _give_up(db: Session, order_id: str) -> None:
    current = locked(db, order_id)
    if current.status is OrderStatus.PLACED:
        why = f"tried {current.attempts} times, and SCM has not accepted it: {current.error}"
        move(db, current, OrderStatus.REVIEW, why=why)


def _leave_unknown(db: Session, claim: Claim, why: str, rest: timedelta) -> None:
    """Keep an order with an unknown outcome in `sending`, and plan its lookup after the time `rest`."""
    current = _held_by(db, claim)
    if current is not None:
        note(db, current, f"the outcome is unknown: {why}")
        record(db, "order.unknown", current.id, who=WORKER, why=why, command_id=current.command_id)
        follow_with(db, current, CommandType.RECONCILE, after=rest)
