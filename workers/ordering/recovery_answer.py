"""A renewal or reissue that is requested again after a restore, and that SCM has executed before it.

SCM keeps no reference of ours with them, so the first such request of a line, within some days, is answered with
what the recovery has found there.
"""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import Certificate, Command, Order, OrderKind
from certline.models.commands.payloads import ReissueCommand, RenewCommand
from certline.workers.ordering.rows import end_as_twin

# How long after a recovery another system may send its commands again.
SENT_AGAIN_WITHIN = timedelta(days=7)


def ends_with_what_was_recovered(
    db: Session, command: Command, asked: RenewCommand | ReissueCommand, found: Certificate
) -> bool:
    """End a command of another system whose successor a recovery has found. Returns True if so.

    `found`: the certificate that it names. Whoever names the successor itself by its id wants another one.
    """
    if command.sender is None or (found.key_lost and asked.certificate.upper() == found.id):
        return False
    is_reissue = isinstance(asked, ReissueCommand)
    order = db.scalars(
        select(Order)
        .where(
            Order.line_id == found.line_id,
            Order.command_id.is_(None),
            Order.predecessor_id.is_not(None),
            Order.kind == OrderKind.REISSUE if is_reissue else Order.kind != OrderKind.REISSUE,
            Order.recovered_at > func.now() - SENT_AGAIN_WITHIN,
        )
        .order_by(Order.id)
        .limit(1)
        .with_for_update(of=Order)
    ).first()
    if order is None:
        return False
    # It answers one command only: the next one is a new request.
    order.command_id = command.id
    end_as_twin(db, db.get_one(Command, command.id, with_for_update=True), order)
    return True
