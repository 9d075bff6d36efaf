"""Sending an order to SCM, once; for new orders, renewals and reissues alike.

The order, its key and its CSR are stored before the call; the claim is committed before the call;
the answer is stored under the claim's fence. What is not surely known rests in `sending`, and is
looked up at SCM by `reconcile`.
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
from certline.models.audit.log import record
from certline.models.lifecycle.moves import follow_with, move, note
from certline.models.orders.order import locked
from certline.models.renewals.failures import rest_after
from certline.models.settings import Settings
from certline.workers.ordering.placement import sent_comment
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import (
    AccountSuspendedError,
    TryLater,
    costs_attempt,
    pause_after,
)
from certline.workers.runtime.step import require_active
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

# An order that SCM could not take so many times is for a person: some hours, with growing pauses.
# A renewal is tried once a day in the end, and for as long as it takes.
MOST_ATTEMPTS = 20

# Seconds from the claim to the first byte of the POST; later it isn't sent. A third of SETTLE at
# most, so that nothing leaves any more once reconciling has begun.
SEND_WITHIN = 60.0

# SCM's code where a profile allows no renewal (SCM document: error codes).
NO_RENEWAL = -180


@dataclass(frozen=True)
class Claim:
    """The right to make the one call for an order; `fence` proves it when the answer is stored.

    `predecessor` is the sslId that a renewal or a reissue is about.
    """

    order: Order
    account: Account
    fence: int
    attempt: int
    predecessor: int | None


def send(line: Line, order_id: str) -> None:
    """Send an order that is `placed`; any other is left alone. Raises TryLater, AccountSuspendedError."""
    with line.database.transaction() as db:
        waiting = db.get_one(Order, order_id)
        if waiting.status is not OrderStatus.PLACED:
            return
        require_active(waiting.account)
        if waiting.attempts >= MOST_ATTEMPTS and waiting.renewed_line is None:
            _give_up(db, order_id)
            return
        scm = line.scm(waiting.account)  # before the claim: a password we can't read sends nothing
    line.admit(waiting.account, CallKind.ORDER)
    send_before = since_boot() + send_within(line.settings)
    with line.database.transaction() as db:
        claim = claim_to_send(db, order_id)
    if claim is None:
        return

    try:
        answer = _call(scm, claim, send_before)
    except (NotSent, Throttled, TryAgain) as trouble:
        costs = costs_attempt(trouble)
        rest = line.store(partial(_release, claim=claim, why=str(trouble), costs_attempt=costs))
        wait = max(rest, pause_after(trouble, claim.attempt))
        raise TryLater(str(trouble), after=wait) from None
    except LoginRefused as refusal:
        line.store(partial(_release, claim=claim, why=str(refusal), costs_attempt=False))
        raise AccountSuspendedError(claim.account.id, refusal) from None
    except Refused as refusal:
        if refusal.code == NO_RENEWAL and claim.order.kind is OrderKind.RENEWAL:
            line.store(partial(_order_anew, claim=claim, why=str(refusal)))
            raise TryLater("it is ordered anew", after=timedelta(0)) from None
        line.store(partial(_reject, claim=claim, why=str(refusal)))
        return
    except OutcomeUnknown as unknown:
        why = str(unknown)
        line.store(partial(_leave_unknown, claim=claim, why=why, rest=line.settings.settle))
        return

    log.info("order.sent", order=claim.order.id, scm_id=answer.ssl_id)
    first_poll = timedelta(seconds=line.settings.poll_seconds)
    line.store(partial(_record_answer, claim=claim, answer=answer, first_poll=first_poll))


def send_within(settings: Settings) -> float:
    """Seconds that may pass between a claim and the first byte of its POST."""
    return min(SEND_WITHIN, settings.settle_seconds / 3)


def claim_to_send(db: Session, order_id: str) -> Claim | None:
    """Move `placed` to `sending` and raise the fence; None where somebody else was faster.

    The claim counts only once its transaction has committed, which is before the call.
    """
    fence = db.scalar(
        update(Order)
        .where(Order.id == order_id, Order.status == OrderStatus.PLACED)
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
        .execution_options(synchronize_session=False)
    )
    if fence is None:
        return None
    order = db.get_one(Order, order_id, populate_existing=True)
    record(db, "order.sending", order.id, who="certline", command_id=order.command_id, fence=fence)
    return Claim(order, order.account, fence, order.attempts, predecessor_at_scm(db, order))


def predecessor_at_scm(db: Session, order: Order) -> int | None:
    """The sslId of the certificate that a renewal or a reissue is about."""
    query = select(Certificate.scm_id).where(Certificate.id == order.predecessor_id)
    return None if order.predecessor_id is None else db.scalars(query).one()


def take_over(db: Session, order: Order, answer: Enrolled, first_poll: timedelta) -> None:
    """SCM has the order under this id: it is pending, and its first poll is on its way."""
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
    """The order, locked, where this claim is still the last one; None for a zombie's late word."""
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
    """The fence has refused an answer; that SCM has the order is true all the same."""
    current = locked(db, claim.order.id)
    if current.scm_id == answer.ssl_id:
        return  # reconciling was faster
    why = f"a late answer says that SCM has this order as {answer.ssl_id}"
    record(
        db,
        "order.late_answer",
        current.id,
        who="certline",
        why=why,
        command_id=current.command_id,
        scm_id=answer.ssl_id,
        fence=claim.fence,
    )
    if current.status is OrderStatus.PLACED:  # not sent again yet: then it need not be
        current.become(OrderStatus.SENDING)
        take_over(db, current, answer, first_poll)
    elif current.status is OrderStatus.CANCELLED:
        move(db, current, OrderStatus.REVIEW, why=f"{why}, though it was cancelled")
    elif current.status in (OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED):
        move(db, current, OrderStatus.REVIEW, why=f"{why}; it may be there twice")


def _release(db: Session, claim: Claim, why: str, *, costs_attempt: bool) -> timedelta:
    """SCM has surely not executed it: it may be sent again, after a rest that its line may need."""
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
    """Make a new order of a renewal that the profile doesn't allow: the same data, key and line."""
    current = _held_by(db, claim)
    if current is not None:
        current.kind = OrderKind.NEW
        move(db, current, OrderStatus.PLACED, why=f"{why}: it is ordered anew with the same data")


def _give_up(db: Session, order_id: str) -> None:
    current = locked(db, order_id)
    if current.status is OrderStatus.PLACED:
        why = f"tried {current.attempts} times, and SCM has not taken it: {current.error}"
        move(db, current, OrderStatus.REVIEW, why=why)


def _leave_unknown(db: Session, claim: Claim, why: str, rest: timedelta) -> None:
    """Nobody knows whether SCM has the order: it stays `sending`, says so, and is looked up later."""
    current = _held_by(db, claim)
    if current is not None:
        note(db, current, f"the outcome is unknown: {why}")
        record(
            db, "order.unknown", current.id, who="certline", why=why, command_id=current.command_id
        )
        follow_with(db, current, CommandType.RECONCILE, after=rest)
