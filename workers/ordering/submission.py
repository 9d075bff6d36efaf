"""Send an order to SCM, once; the same for new orders, renewals and reissues.

Order, key, CSR and claim are committed before the call, and the response is stored under the claim's fence;
an order with an unknown outcome rests in `sending` until `reconcile` looks it up.
"""

from datetime import timedelta
from functools import cache, partial
from typing import Any

import structlog
from sqlalchemy import Interval, bindparam, func, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from certline.models import CallKind, CommandType, Order, OrderKind, OrderStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.lifecycle.moves import follow_with, move, note, note_move
from certline.models.orders.change import change
from certline.models.orders.order import locked
from certline.models.renewals.failures import rest_after
from certline.workers.ordering.claim import (
    Claim,
    claim_at_once,
    claim_to_send,
    is_exhausted,
    send_within,
)
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
from certline.workers.runtime.recovery_gate import require_settled
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

# SCM's code for "the profile does not allow renewal" (SCM document: error codes).
NO_RENEWAL = -180


def send(context: WorkerContext, order: Order, predecessor: int | None = None) -> None:
    """Send an order that is `placed` to SCM; an order with another status is left unchanged.

    `order`: as it was loaded; what has changed since is found by the claim. `predecessor`: the sslId of the
    certificate that it succeeds, if that is known.

    The outcome is stored as the order's status. Raises TryLater if the order is to be sent again later,
    AccountSuspendedError if SCM refuses the login, and GiveUp if the account was removed.
    """
    if order.status is not OrderStatus.PLACED:
        return
    require_active(order.account)
    if is_exhausted(order):
        context.store(partial(_give_up, order_id=order.id))
        return
    name_in_logs(order)
    with context.database.transaction() as db:
        claim = claim_at_once(context, db, order, predecessor)
    if claim is None:
        # Wait for the turn before the claim, since the claim's time is short.
        context.admit(order.account, CallKind.ORDER)
        send_before = since_boot() + send_within(context.settings)
        with context.database.transaction() as db:
            claim = claim_to_send(db, order, send_before, predecessor)
            if claim is None:
                require_settled(db)
                # A relay may have compared the database between the two statements; nothing would wake the order.
                claim = claim_to_send(db, order, send_before, predecessor)
    if claim is not None:
        submit(context, claim)


def submit(context: WorkerContext, claim: Claim) -> None:
    """Make the one call of a claim that is committed, and store its outcome; raises as `send` does."""
    scm = context.scm(claim.account)
    try:
        answer = _call(scm, claim)
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


def take_over(db: Session, order: Order, answer: Enrolled, first_poll: timedelta) -> None:
    """Store the sslId that SCM gave the order, move the order to `pending`, and plan its first poll."""
    order.scm_id = answer.ssl_id
    order.renew_id = answer.renew_id or order.renew_id
    order.looks = 0
    move(db, order, OrderStatus.PENDING)
    order.next_poll_at = order.updated_at + first_poll
    follow_with(db, order, CommandType.POLL, after=first_poll)


def _call(scm: ScmClient, claim: Claim) -> Enrolled:
    order, predecessor, send_before = claim.order, claim.predecessor or 0, claim.send_before
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
    given = {"ssl_id": answer.ssl_id, "renewal": answer.renew_id, "first_poll": first_poll}
    under = {"own_id": claim.order.id, "under": claim.fence}
    order = claim.order
    if not change(db, order, _accepting(), {**under, **given}):
        _record_late(db, claim, answer, first_poll)
        return
    note_move(db, order, OrderStatus.SENDING)
    follow_with(db, order, CommandType.POLL, after=first_poll)


@cache
def _accepting() -> ReturningUpdate[*tuple[Any, ...]]:
    """Return the statement of `take_over` under a claim's fence; it is built once, because every order runs it."""
    return (
        update(Order)
        .where(
            Order.id == bindparam("own_id"),
            Order.fence == bindparam("under"),
            Order.status == OrderStatus.SENDING,
        )
        .values(
            status=OrderStatus.PENDING,
            scm_id=bindparam("ssl_id"),
            renew_id=func.coalesce(bindparam("renewal"), Order.renew_id),
            looks=0,
            next_poll_at=func.now() + bindparam("first_poll", type_=Interval),
            updated_at=func.now(),
            error=None,
        )
        .returning(
            Order.status,
            Order.scm_id,
            Order.renew_id,
            Order.looks,
            Order.next_poll_at,
            Order.updated_at,
            Order.error,
        )
    )


def _record_late(db: Session, claim: Claim, answer: Enrolled, first_poll: timedelta) -> None:
    """Record a response that the fence has refused: it proves nevertheless that SCM has the order."""
    current = locked(db, claim.order.id)
    log.warning("order.fenced", order=current.id, fence=claim.fence, now=current.fence)
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
