"""Orders that were not sent at the moment to which the database was restored, and that SCM seems to have."""

from collections.abc import Collection, Iterable

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from certline.models import Certificate, CommandType, Order, OrderKind, OrderStatus
from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.lifecycle.moves import follow_with, move

WHY = "it may have been sent after the moment to which the database was restored"


def doubt_what_was_placed(
    db: Session, account_id: int, named: Iterable[str], scm_ids: Collection[int]
) -> None:
    """Have orders looked up that SCM may have: `named` by their ids, and reissues of the records `scm_ids`.

    They are moved to `sending`, as if a worker had died while it sent them. To be called before the import's lock.
    """
    of_theirs = select(Certificate.id).where(
        Certificate.account_id == account_id, Certificate.scm_id.in_(scm_ids)
    )
    reissue = and_(Order.kind == OrderKind.REISSUE, Order.predecessor_id.in_(of_theirs))
    query = select(Order).where(
        Order.account_id == account_id,
        Order.status == OrderStatus.PLACED,
        or_(Order.id.in_(list(named)), reissue),
    )
    for order in db.scalars(query.order_by(Order.id).with_for_update(of=Order)):
        order.fence += 1
        order.sent_at = order.created_at
        move(db, order, OrderStatus.SENDING, why=WHY)
        record(db, "order.unknown", order.id, who=WORKER, why=WHY, command_id=order.command_id)
        follow_with(db, order, CommandType.RECONCILE)
