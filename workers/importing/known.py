"""Lookups in our database for the certificates that SCM lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Certificate, CertificateStatus, Line, Order, OrderKind, OrderStatus
from certline.workers.importing.record_mapping import LARGEST_ID
from certline.workers.scm import CertificateRow


@dataclass
class Here:
    """Stored data by sslId: the order (reissues excluded), all serial numbers known for it, and the serial
    numbers of its active certificates.
    """

    orders: dict[int, Order] = field(default_factory=dict)
    serials: dict[int, set[str]] = field(default_factory=dict)
    active: dict[int, set[str]] = field(default_factory=dict)

    def is_changed(self, row: CertificateRow) -> bool:
        """Return True if SCM lists a serial number that we do not know for a stored order.

        A pending order is left to its poll, and one in review to the operator.
        """
        known = self.serials.get(row.ssl_id, set())
        waits = self.orders[row.ssl_id].status in (OrderStatus.PENDING, OrderStatus.REVIEW)
        return row.serial_number is not None and row.serial_number not in known and not waits

    def is_in_use(self, row: CertificateRow) -> bool:
        """Return True if the listed certificate is active in our database, or its order is held."""
        order = self.orders.get(row.ssl_id)
        if order is not None and order.status is OrderStatus.HELD:
            return True
        return row.serial_number in self.active.get(row.ssl_id, set())


def storable(ids: Iterable[int]) -> list[int]:
    """Return the sslIds that fit our columns; no order with a larger one is stored."""
    return [scm_id for scm_id in ids if scm_id <= LARGEST_ID]


def look_here(db: Session, account_id: int, ids: Iterable[int]) -> Here:
    """Load the orders, serial numbers and active certificates that we store for these sslIds."""
    wanted = storable(ids)
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
    """Return the sslIds for which we store an order; reissues do not count."""
    query = select(Order.scm_id).where(
        Order.account_id == account_id,
        Order.scm_id.in_(storable(ids)),
        Order.kind != OrderKind.REISSUE,
    )
    return {scm_id for scm_id in db.scalars(query) if scm_id is not None}


def like_ours(db: Session, account_id: int, rows: Sequence[CertificateRow]) -> set[int]:
    """Return the sslIds of rows with exactly the names of an order on a managed line: its possible renewals."""
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
    # The query narrows by common name, which has an index; the whole set of names is compared in Python.
    ours = {frozenset([common_name, *sans]) for common_name, sans in db.execute(query)}
    return {
        row.ssl_id
        for row in rows
        if frozenset(name.lower() for name in (row.common_name, *row.sans) if name) in ours
    }
