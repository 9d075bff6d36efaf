"""Find out at SCM what became of an order with an unknown outcome; it is never sent again without proof."""

from dataclasses import dataclass
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Order, OrderStatus
from certline.models.audit.identity import WORKER, Identity
from certline.models.audit.log import record
from certline.models.commands.command import postpone
from certline.models.database.session import clock
from certline.models.lifecycle.moves import move, note
from certline.models.lifecycle.succession import last_reissue, siblings
from certline.models.orders.order import locked, newer_orders, rivals
from certline.models.orders.reconciliation import Choice, ReconcileVerdict, Sighting, judge
from certline.workers.ordering.claim import predecessor_at_scm
from certline.workers.ordering.lookup import Lost, look
from certline.workers.ordering.submission import take_over
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, TryLater, reading_scm
from certline.workers.runtime.results import OrderResult
from certline.workers.runtime.step import plain_step, review_subject
from certline.workers.scm import Enrolled

log = structlog.get_logger()

# Upper limit of the wait between two lookups of an order.
LONGEST_REST = timedelta(hours=6)


@dataclass(frozen=True)
class ReconcileResult(OrderResult):
    """Result of reconciling; `scm_id` is SCM's id of the order, if it is known."""

    scm_id: int | None

    @classmethod
    def of(cls, order: Order) -> "ReconcileResult":
        """Return the result for an order in its present state."""
        return cls(order.id, order.status.value, order.scm_id)


def reconcile(context: WorkerContext, command: Command) -> dict[str, Any]:
    """Look up an order that rests in `sending` at SCM: adopt it, send it again, or send it to `review`.

    Returns the order's status. Raises TryLater if the lookup was inconclusive, and GiveUp if SCM can't be
    read: the order is then in `review`.
    """
    settle = context.settings.settle
    with context.database.transaction() as db:
        order = db.get_one(Order, command.subject)
        name_in_logs(order)
        if order.status is not OrderStatus.SENDING or order.sent_at is None:
            return ReconcileResult.of(order).document()
        rest = order.sent_at + settle - clock(db)
        if rest > timedelta(0):  # it was sent again after this command was created
            raise TryLater("the settle time of its unknown outcome is not over yet", after=rest)
        require_active(order.account)
        predecessor = predecessor_at_scm(db, order)
        reissued = last_reissue(db, order, predecessor)
        lost = Lost(
            order=order,
            predecessor=predecessor,
            rivals=rivals(db, order),
            newer=newer_orders(db, order),
            siblings=siblings(db, order),
            reissued_on=None if reissued is None else reissued.astimezone(UTC).date(),
        )

    try:
        with reading_scm(order.account, command.attempts, MOST_TRIES):
            sighting = look(context.scm(order.account), lost)
    except GiveUp as over:
        verdict = ReconcileVerdict(
            Choice.REVIEW, f"SCM cannot be asked whether it has this order: {over}"
        )
        context.store(
            partial(_write, order=order, sighting=Sighting(), verdict=verdict, poll=settle)
        )
        raise

    verdict = judge(sighting, order.looks)
    log.info("order.reconciled", order=order.id, choice=verdict.choice.value, why=verdict.why)
    poll = timedelta(seconds=context.settings.poll_seconds)
    order = context.store(
        partial(_write, order=order, sighting=sighting, verdict=verdict, poll=poll)
    )
    if verdict.choice is Choice.LOOK_AGAIN:
        raise TryLater(verdict.why, after=rest_after(order.looks, settle), afresh=True)
    return ReconcileResult.of(order).document()


def rest_after(looks: int, settle: timedelta) -> timedelta:
    """Return the wait after the n-th inconclusive lookup: the settle time, doubled each time, up to 6 hours."""
    shortest = max(settle, timedelta(seconds=1))
    return min(LONGEST_REST, shortest * (1 << min(max(looks - 1, 0), 20)))


def _write(
    db: Session, order: Order, sighting: Sighting, verdict: ReconcileVerdict, poll: timedelta
) -> Order:
    """Store the findings and carry out the verdict, unless the order has moved meanwhile."""
    current = locked(db, order.id)
    # The fence changes with each claim: if it differs, the findings are about an earlier call.
    if current.status is not OrderStatus.SENDING or current.fence != order.fence:
        return current
    current.found = [found.document() for found in sighting.candidates]
    current.looks += 1
    record(
        db,
        "order.reconciled",
        current.id,
        who=WORKER,
        why=verdict.why,
        command_id=current.command_id,
        choice=verdict.choice.value,
        look=current.looks,
        found=current.found,
        witness=sighting.witness,
        remarks=list(sighting.remarks),
    )
    match verdict.choice:
        case Choice.ADOPT:
            take_over(db, current, Enrolled(verdict.ssl_id or 0, None), poll)
        case Choice.RESEND:
            resend(db, current, why=verdict.why)
        case Choice.REVIEW:
            move(db, current, OrderStatus.REVIEW, why=verdict.why)
        case Choice.LOOK_AGAIN:
            note(db, current, f"the outcome is unknown: {verdict.why}")
    return current


def resend(db: Session, order: Order, *, why: str, who: Identity = WORKER) -> None:
    """Move an order back to `placed`, and make its command due now. `who` is recorded in the audit entry."""
    order.looks = 0
    order.scm_id = None
    move(db, order, OrderStatus.PLACED, why=why, who=who)
    if order.command_id is not None:
        command = db.get_one(Command, order.command_id, with_for_update=True)
        command.restarts = 0
        postpone(db, command, after=timedelta(0), why=why, costs_attempt=False)


STEP = plain_step(CommandType.RECONCILE, reconcile, on_abandoned=review_subject)
