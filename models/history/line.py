"""The line of a certificate: its versions, the orders that led to them, and those that are under way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.orders.order import Order
from certline.models.states import CertificateStatus, OrderKind, OrderStatus

# Members that are shown, the newest of them.
MOST = 50


@dataclass(frozen=True)
class LineMember:
    """An order of a line with its certificate, or one of the two: a version found at SCM has no own order."""

    order_id: str | None = None
    kind: OrderKind | None = None
    order_status: OrderStatus | None = None
    requested_by: str | None = None
    placed_at: datetime | None = None
    certificate_id: str | None = None
    certificate_status: CertificateStatus | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


def line_of(db: Session, line_id: str | None) -> list[LineMember]:
    """Return the members of a line, the oldest first; of a long one the newest MOST."""
    if line_id is None:
        return []
    orders = select(
        Order.id,
        Order.kind,
        Order.status,
        Order.requested_by,
        Order.created_at,
        Order.certificate_id,
    ).where(Order.line_id == line_id)
    versions = select(
        Certificate.id, Certificate.status, Certificate.not_before, Certificate.not_after
    ).where(Certificate.line_id == line_id)
    of_orders = db.execute(orders.order_by(Order.id.desc()).limit(MOST)).all()
    by_id = {
        row.id: row for row in db.execute(versions.order_by(Certificate.id.desc()).limit(MOST))
    }
    members = []
    for own_id, kind, status, by, at, certificate_id in of_orders:
        row = by_id.pop(certificate_id, None) if certificate_id is not None else None
        members.append(
            LineMember(
                own_id,
                kind,
                status,
                by,
                at,
                certificate_id,
                *((None, None, None) if row is None else row[1:]),
            )
        )
    members += [
        LineMember(
            certificate_id=row.id,
            certificate_status=row.status,
            not_before=row.not_before,
            not_after=row.not_after,
        )
        for row in by_id.values()
    ]
    return _in_order(members)[-MOST:]


def _in_order(members: Sequence[LineMember]) -> list[LineMember]:
    """Sort by the ids of the certificates, or of the orders that have none; ids sort by their time of creation."""
    return sorted(members, key=lambda each: each.certificate_id or each.order_id or "")
