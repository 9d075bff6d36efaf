"""Check a certificate's record at SCM before a successor is ordered.

An order that SCM would refuse, or might execute a second time, is not sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from sqlalchemy import Select, and_, bindparam, exists, select
from sqlalchemy.orm import Session, aliased

from certline.models import CallKind, Certificate, Command, Order, OrderKind, OrderStatus
from certline.models.audit.log import AuditEntry
from certline.models.lifecycle.moves import move
from certline.models.orders.order import locked
from certline.workers.runtime.account_gate import require_active
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.scm import Details


@dataclass(frozen=True)
class Objection:
    """The reason for not sending an order, and the status that the order gets."""

    status: OrderStatus
    why: str


@dataclass(frozen=True)
class Before:
    """An order about to be sent, with the facts known before SCM is asked.

    `predecessor`: the sslId of the certificate that it renews or reissues. `renewed_by_us`: another order of ours
    renewed the same certificate, which explains `renewed` in its record. `again`: a second successor is intended.
    `decided`: an operator has reviewed the order and had it sent.
    """

    order: Order
    predecessor: int
    renewed_by_us: bool
    again: bool
    decided: bool

    def refuse(self, why: str) -> Objection | None:
        """Return the objection for a reason, or None if an operator has already decided to send the order.

        The order is rejected if it was never sent. Otherwise it goes to `review`, since the record may look
        as it does because an earlier attempt succeeded.
        """
        if self.decided:
            return None
        if self.order.attempts == 0:
            return Objection(OrderStatus.REJECTED, why)
        return Objection(OrderStatus.REVIEW, f"{why}; an earlier attempt may have succeeded")


def before_sending(
    context: WorkerContext,
    db: Session,
    command: Command,
    order: Order,
    fresh: tuple[int, bool] | None = None,
) -> Before | None:
    """Load what `may_be_sent` needs, and take the turn of its call.

    `fresh`: of an order that was placed just now, the predecessor's sslId and whether another order renewed it.

    Returns None for an order that is sent without a look at its predecessor: one that is not `placed`, or that has
    become a new order because its profile allows no renewal. Raises TryLater or GiveUp if the account is suspended
    or was removed.
    """
    if order.status is not OrderStatus.PLACED or order.kind is OrderKind.NEW:
        return None
    if fresh is not None:
        number, renewed, decided = *fresh, False
    else:
        number, renewed, decided = db.execute(
            _facts(), {"of_order": order.id, "succeeds": order.predecessor_id}
        ).one()
    require_active(order.account)
    context.provide(db, order.account, CallKind.READ)
    again = bool(command.payload.get("again"))
    return Before(order, number, renewed_by_us=renewed, again=again, decided=decided)


@cache
def _facts() -> Select[int, bool, bool]:
    """Return the query for the facts about an order's predecessor; built once, because every successor runs it."""
    other = aliased(Order)
    renewed = exists().where(
        and_(
            other.line_id == Certificate.line_id,  # which has an index
            other.predecessor_id == bindparam("succeeds"),
            other.kind != OrderKind.REISSUE,
            other.id != bindparam("of_order"),
            other.scm_id.is_not(None),
        )
    )
    decided = exists().where(
        AuditEntry.subject == bindparam("of_order"), AuditEntry.type == "order.resolved"
    )
    return select(Certificate.scm_id, renewed.label("renewed"), decided.label("decided")).where(
        Certificate.id == bindparam("succeeds")
    )


def may_be_sent(
    context: WorkerContext,
    command: Command,
    before: Before,
    objection: Callable[[Details, Before], Objection | None],
) -> bool:
    """Read the predecessor's record at SCM, and return True unless `objection` objects to it.

    On an objection the order is rejected or sent to `review`. Raises TryLater, AccountSuspendedError.
    """
    order, number = before.order, before.predecessor
    most = MOST_TRIES if order.renewed_line is None else None  # renewals retry for ever
    try:
        with reading_scm(order.account, command.attempts, most):
            found = objection(context.scm(order.account).details(number), before)
    except GiveUp as over:
        found = Objection(OrderStatus.REVIEW, f"SCM could not be asked about {number}: {over}")

    if found is not None:
        context.store(partial(_turn_away, order_id=order.id, objection=found))
    return found is None


def _turn_away(db: Session, order_id: str, objection: Objection) -> None:
    order = locked(db, order_id)
    # The order may have moved while SCM was asked; only a `placed` one may still be turned away.
    if order.status is OrderStatus.PLACED:
        move(db, order, objection.status, why=objection.why)
