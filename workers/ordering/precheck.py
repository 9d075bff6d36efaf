"""What SCM says of a certificate, before it is asked for a successor: what it would refuse, or do
twice, is not asked for.
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
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.runtime.step import require_active
from certline.workers.scm import Details


@dataclass(frozen=True)
class Objection:
    """Why an order is not sent, and what becomes of it."""

    status: OrderStatus
    why: str


@dataclass(frozen=True)
class Before:
    """What we know before SCM is asked. `renewed_by_us`: an earlier order has left its mark on the
    predecessor's record; `again`: a second successor is wanted on purpose; `decided`: a person has
    looked at the order and had it sent.
    """

    order: Order
    renewed_by_us: bool
    again: bool
    decided: bool

    def refuse(self, why: str) -> Objection | None:
        """Say no: for good where nothing was sent yet; else an earlier try may have come through,
        and a person decides. Who has decided isn't contradicted.
        """
        if self.decided:
            return None
        if self.order.attempts == 0:
            return Objection(OrderStatus.REJECTED, why)
        return Objection(OrderStatus.REVIEW, f"{why}; an earlier try may have come through")


def may_be_sent(
    line: Line,
    command: Command,
    order_id: str,
    objection: Callable[[Details, Before], Objection | None],
) -> bool:
    """Read the predecessor's record, and turn the order away where there is an objection.

    Raises TryLater, AccountSuspendedError.
    """
    with line.database.transaction() as db:
        order = db.get_one(Order, order_id)
        number = predecessor_at_scm(db, order)
        # A renewal that became a new order (its profile allows none) needs nothing of its predecessor.
        if order.status is not OrderStatus.PLACED or number is None or order.kind is OrderKind.NEW:
            return True
        require_active(order.account)
        most = MOST_TRIES if order.renewed_line is None else None  # renewals rest, and go on
        before = Before(
            order,
            renewed_by_us=bool(siblings(db, order)),
            again=bool(command.payload.get("again")),
            decided=any(event.type == "order.resolved" for event in history(db, order.id)),
        )

    try:
        with reading_scm(order.account, command.attempts, most):
            found = objection(line.scm(order.account).details(number), before)
    except GiveUp as over:
        found = Objection(OrderStatus.REVIEW, f"SCM cannot be asked for {number}: {over}")

    if found is not None:
        line.store(partial(_turn_away, order_id=order_id, objection=found))
    return found is None


def _turn_away(db: Session, order_id: str, objection: Objection) -> None:
    order = locked(db, order_id)
    if order.status is OrderStatus.PLACED:
        move(db, order, objection.status, why=objection.why)
