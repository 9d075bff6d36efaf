"""The licence gate: one locked row; what counts is every managed line that is not deleted."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.certificates.line import Line
from certline.models.certificates.lineage import run_of, shared_line
from certline.models.database.base import Base, new_id
from certline.models.database.bulk import add_rows
from certline.models.orders.order import Order
from certline.models.states import OrderKind, OrderStatus


class License(Base):
    """How many lines may be managed. There is exactly one row; its lock is the gate."""

    __tablename__ = "license"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("capacity >= 0", name="capacity_counts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    capacity: Mapped[int]


@dataclass(frozen=True)
class LicenseUse:
    """How the licence stands, in managed lines; `held` are issued orders that wait for room."""

    capacity: int
    used: int
    held: int

    @property
    def available(self) -> int:
        """Lines that may still be added."""
        return max(0, self.capacity - self.used)


def license_use(db: Session) -> LicenseUse:
    """Capacity, lines in use and orders that wait."""
    return LicenseUse(
        capacity=db.get_one(License, 1).capacity,
        used=_lines_used(db),
        held=_held(db),
    )


def take_line(db: Session, order: Order) -> bool:
    """Give an order its line, where it has none and the licence has room. False: no room.

    The licence's row stays locked until the transaction ends, so parallel workers cannot overshoot.
    """
    if order.line_id is not None:
        return True
    capacity = _locked_capacity(db)
    # A renewal that was made at SCM shares the line of what it renews.
    if order.kind is OrderKind.IMPORT and (shared := shared_line(db, order)):
        order.line_id = shared
        return True
    # Room that has come free belongs to those who wait for it, released or not yet.
    if _lines_used(db) + _held(db) >= capacity:
        return False
    _give_line(db, order)
    return True


def take_lines(db: Session, account_id: int, names: Sequence[str]) -> list[str]:
    """New lines for certificates of these names, for as many of the first as there is room; their
    ids. Locks the gate.
    """
    room = _locked_capacity(db) - _lines_used(db) - _held(db)
    lines = {new_id(): name for name in names[: max(0, room)]}
    rows = [
        {"id": line, "account_id": account_id, "common_name": name} for line, name in lines.items()
    ]
    add_rows(db, Line, rows)
    return list(lines)


def room_left(db: Session) -> int:
    """How many new lines would find room now; nothing is locked, so it may be over in a moment."""
    use = license_use(db)
    return use.available - use.held


def set_capacity(db: Session, capacity: int) -> None:
    """Change how many lines may be managed. Lowering it below what is in use deletes nothing."""
    db.get_one(License, 1, with_for_update=True).capacity = capacity
    db.flush()


def orders_to_release(db: Session) -> list[Order]:
    """The oldest held orders that now have room, each with a line taken for it; locks the gate.

    The line is taken here, not when the certificate is fetched, so that no newcomer overtakes them.
    """
    room = _locked_capacity(db) - _lines_used(db)
    if room <= 0:
        return []
    waiting = db.scalars(
        select(Order)
        .where(Order.status == OrderStatus.HELD)
        .order_by(Order.issued_at, Order.id)
        .limit(room)
        .with_for_update(of=Order, skip_locked=True)
    )
    released: list[Order] = []
    for order in waiting:
        if order in released:
            continue
        shared = shared_line(db, order) if order.kind is OrderKind.IMPORT else None
        if shared is None:
            _give_line(db, order)
        else:
            order.line_id = shared
        released += [order, *_held_kin(db, order)]
    return released


def _held_kin(db: Session, order: Order) -> list[Order]:
    """Imported orders that renew each other share the line, and go together."""
    if order.kind is not OrderKind.IMPORT:
        return []
    ids = {each.order_id for each in run_of(db, order)} - {order.id}
    held = select(Order).where(Order.id.in_(ids), Order.status == OrderStatus.HELD)
    kin = list(db.scalars(held.with_for_update(of=Order, skip_locked=True))) if ids else []
    for each in kin:
        each.line_id = order.line_id
    return kin


def _give_line(db: Session, order: Order) -> None:
    line = Line(account_id=order.account_id, common_name=order.common_name)
    db.add(line)
    db.flush()
    order.line_id = line.id


def _locked_capacity(db: Session) -> int:
    return db.get_one(License, 1, with_for_update=True, populate_existing=True).capacity


def _held(db: Session) -> int:
    db.flush()
    return db.scalar(select(func.count()).where(Order.status == OrderStatus.HELD)) or 0


def _lines_used(db: Session) -> int:
    db.flush()
    query = select(func.count()).select_from(Line).where(Line.deleted_at.is_(None))
    return db.scalar(query) or 0
