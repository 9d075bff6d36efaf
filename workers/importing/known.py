"""What is here already of the records that SCM lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Certificate, CertificateStatus, Line, Order, OrderKind, OrderStatus
from certline.workers.importing.record_mapping import LARGEST_ID
from certline.workers.scm import CertificateRow


@dataclass
class Here:
    """What is here of some sslIds: base orders, the serial numbers that are known of each, and those
    of certificates that are in use.
    """

    orders: dict[int, Order] = field(default_factory=dict)
    serials: dict[int, set[str]] = field(default_factory=dict)
    active: dict[int, set[str]] = field(default_factory=dict)

    def is_changed(self, row: CertificateRow) -> bool:
        """Whether an order that is here has another certificate by now."""
        known = self.serials.get(row.ssl_id, set())
        waits = self.orders[row.ssl_id].status in (OrderStatus.PENDING, OrderStatus.REVIEW)
        return row.serial_number is not None and row.serial_number not in known and not waits

    def is_in_use(self, row: CertificateRow) -> bool:
        """Whether its certificate is in use here, or waits for a licence."""
        order = self.orders.get(row.ssl_id)
        if order is not None and order.status is OrderStatus.HELD:
            return True
        return row.serial_number in self.active.get(row.ssl_id, set())


def look_here(db: Session, account_id: int, ids: Iterable[int]) -> Here:
    """What is here of these sslIds."""
    wanted = [scm_id for scm_id in ids if scm_id <= LARGEST_ID]
    here = Here()
    orders = select(Order).where(
        Order.account_id == account_id,
        Order.scm_id.in_(wanted),
        Order.kind != OrderKind.REISSUE,
    )
    for order in db.scalars(orders):
        if order.scm_id is not None:
            here.orders[order.scm_id] = order
            here.serials[order.scm_id] = {order.scm_serial} if order.scm_serial else set()
    stored = select(Certificate.scm_id, Certificate.serial_number, Certificate.status).where(
        Certificate.account_id == account_id, Certificate.scm_id.in_(wanted)
    )
    for scm_id, serial, status in db.execute(stored):
        here.serials.setdefault(scm_id, set()).add(serial)
        if status is CertificateStatus.ACTIVE:
            here.active.setdefault(scm_id, set()).add(serial)
    return here


def ids_here(db: Session, account_id: int, ids: Iterable[int]) -> set[int]:
    """Those of these sslIds that have an order here."""
    query = select(Order.scm_id).where(
        Order.account_id == account_id,
        Order.scm_id.in_(list(ids)),
        Order.kind != OrderKind.REISSUE,
    )
    return {scm_id for scm_id in db.scalars(query) if scm_id is not None}


def like_ours(db: Session, account_id: int, rows: Sequence[CertificateRow]) -> set[int]:
    """Those of the rows that have the names of a certificate that is in use here: their renewals, perhaps."""
    names = {row.common_name.lower() for row in rows if row.common_name}
    query = (
        select(Order.common_name, Order.sans)
        .join(Line, Line.id == Order.line_id)
        .where(
            Order.account_id == account_id,
            Order.common_name.in_(names),
            Line.deleted_at.is_(None),
        )
    )
    ours = {frozenset([common_name, *sans]) for common_name, sans in db.execute(query)}
    return {
        row.ssl_id
        for row in rows
        if frozenset(name.lower() for name in (row.common_name, *row.sans) if name) in ours
    }
