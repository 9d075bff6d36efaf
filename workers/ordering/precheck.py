"""Check a certificate's record at SCM before a successor is ordered.

An order that SCM would refuse, or might execute a second time, is not sent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from certline.models import Command, Order, OrderKind, OrderStatus
from certline.models.audit.log import history
from certline.models.lifecycle.moves import move
from certline.models.lifecycle.succession import siblings
from certline.models.orders.order import locked
from certline.workers.ordering.submission import predecessor_at_scm
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

    `renewed_by_us`: another order of ours renewed the same certificate, which explains `renewed` in its record.
    `again`: a second successor is intended. `decided`: an operator has reviewed the order and had it sent.
    """

    order: Order
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


def may_be_sent(
    context: WorkerContext,
    command: Command,
    order_id: str,
    objection: Callable[[Details, Before], Objection | None],
) -> bool:
    """Read the predecessor's record at SCM, and return True unless `objection` objects to it.

    On an objection the order is rejected or sent to `review`. Also returns True, without a call to SCM, for an
    order that is not `placed`, or that has become a new order. Raises TryLater, AccountSuspendedError.
    """
    with context.database.transaction() as db:
        order = db.get_one(Order, order_id)
        number = predecessor_at_scm(db, order)
        # A renewal whose profile allows none became a new order, which does not depend on the predecessor.
        if order.status is not OrderStatus.PLACED or number is None or order.kind is OrderKind.NEW:
            return True
        require_active(order.account)
        most = MOST_TRIES if order.renewed_line is None else None  # renewals retry for ever
        before = Before(
            order,
            renewed_by_us=bool(siblings(db, order)),
            again=bool(command.payload.get("again")),
            decided=any(event.type == "order.resolved" for event in history(db, order.id)),
        )

    try:
        with reading_scm(order.account, command.attempts, most):
            found = objection(context.scm(order.account).details(number), before)
    except GiveUp as over:
        found = Objection(OrderStatus.REVIEW, f"SCM could not be asked about {number}: {over}")

    if found is not None:
        context.store(partial(_turn_away, order_id=order_id, objection=found))
    return found is None


def _turn_away(db: Session, order_id: str, objection: Objection) -> None:
    order = locked(db, order_id)
    # The order may have moved while SCM was asked; only a `placed` one may still be turned away.
    if order.status is OrderStatus.PLACED:
        move(db, order, objection.status, why=objection.why)
