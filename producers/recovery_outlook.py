"""Outlook on a recovery: what it would find, counted within a rehearsal, and what waits for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, distinct, exists, func, select
from sqlalchemy.orm import Session, aliased

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    Order,
    OrderKind,
    OrderStatus,
)
from certline.models.certificates.license import license_use
from certline.producers.recovery import SENDING

# Orders of each kind that are named; the counts are complete.
MOST_NAMED = 100


def look_ahead(db: Session, begun: datetime) -> dict[str, Any]:
    """Return what a recovery has found, and what it leaves to do. `begun`: the time of the rehearsal."""
    older = aliased(Order)
    recovered = Order.recovered_at >= begun
    is_reissue = Order.kind == OrderKind.REISSUE
    # SCM gives renewals a higher sslId on the same line.
    renews = exists().where(older.line_id == Order.line_id, older.scm_id < Order.scm_id)
    which = {
        "adopted": (recovered, ~is_reissue, ~renews),
        "renewals": (recovered, ~is_reissue, renews),
        "reissues": (recovered, is_reissue),
        "looked_up": (Order.status == OrderStatus.SENDING,),
        "to_decide": (Order.status == OrderStatus.REVIEW,),
    }
    use = license_use(db)
    waiting = Command.status == CommandStatus.QUEUED, Command.type.in_(SENDING)
    return {
        "orders_found": _count(db, recovered),
        **{kind: _count(db, *where) for kind, where in which.items()},
        "keys_lost": _keys_lost(db, recovered),
        "licence": {"capacity": use.capacity, "used": use.used, "held": use.held},
        "commands_waiting": db.scalar(select(func.count()).where(*waiting)) or 0,
        "named": {kind: _named(db, *where) for kind, where in which.items()},
    }


def _keys_lost(db: Session, recovered: ColumnElement[bool]) -> int:
    """Return how many lines have an active certificate without its key afterwards."""
    live = Order.status.in_((OrderStatus.ISSUED, OrderStatus.STORED))
    lines = select(Order.line_id).where(recovered, live, Order.line_id.is_not(None))
    before = select(func.count()).where(
        Certificate.key_lost,
        Certificate.status == CertificateStatus.ACTIVE,
        Certificate.line_id.not_in(lines),
    )
    fresh = select(func.count(distinct(Order.line_id))).where(recovered, live)
    return (db.scalar(before) or 0) + (db.scalar(fresh) or 0)


def _count(db: Session, *which: ColumnElement[bool]) -> int:
    return db.scalar(select(func.count()).select_from(Order).where(*which)) or 0


def _named(db: Session, *which: ColumnElement[bool]) -> list[dict[str, Any]]:
    query = select(Order.id, Order.scm_id, Order.common_name, Order.recovered_at).where(*which)
    rows = db.execute(query.order_by(Order.scm_id, Order.id).limit(MOST_NAMED))
    return [
        # What is found gets its id from the recovery itself.
        {
            "order": None if row.recovered_at else row.id,
            "scm_id": row.scm_id,
            "common_name": row.common_name,
        }
        for row in rows
    ]
