"""The licence gate: one locked row limits how many lines, deleted ones not counted, may be managed.

A licence that has ended has no free lines: what needs a new one is held, and everything else goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from sqlalchemy import BigInteger, CheckConstraint, func, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.certificates.line import Line
from certline.models.certificates.lineage import run_of, shared_line
from certline.models.database.base import Base, new_id
from certline.models.database.bulk import add_rows
from certline.models.database.session import clock
from certline.models.events.outbox import emit_event
from certline.models.orders.order import Order
from certline.models.states import OrderKind, OrderStatus

# Held orders released in one transaction, which keeps the licence row locked meanwhile. The sweep releases more.
MOST_RELEASED = 500


class License(Base):
    """The number of lines that may be managed. The table has exactly one row, whose lock is the gate."""

    __tablename__ = "license"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("capacity >= 0", name="capacity_counts"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    capacity: Mapped[int]
    # Lines that are managed, deleted ones not counted. Triggers of the table `line` keep it (migration 0024).
    used: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    # The last day (UTC) on which new lines may be taken; None: no end.
    valid_until: Mapped[date | None]
    # The lowest number of days before the end at which `license.expiring` was published.
    expiring_told: Mapped[int | None]


@dataclass(frozen=True)
class LicenseUse:
    """Use of the licence, in lines; `held` counts the issued orders that wait for a free line.

    `valid_until`: the licence's last day, or None; `days_left`: days until its end, today included, or None.
    """

    capacity: int
    used: int
    held: int
    valid_until: date | None = None
    days_left: int | None = None

    @property
    def ended(self) -> bool:
        """True if the licence's last day is over."""
        return self.days_left is not None and self.days_left <= 0

    @property
    def available(self) -> int:
        """Number of lines that may be taken: none once the licence has ended, and never a negative number, even if
        the capacity was lowered below the use.
        """
        return 0 if self.ended else max(0, self.capacity - self.used)


def license_use(db: Session) -> LicenseUse:
    """Return the capacity, the lines in use and the held orders, without locking anything."""
    row = db.get_one(License, 1, populate_existing=True)
    return LicenseUse(
        capacity=row.capacity,
        used=row.used,
        held=_held(db),
        valid_until=row.valid_until,
        days_left=_days_left(db, row),
    )


def emit_exhausted(db: Session, newly: int, *, subject: str, correlation_id: str | None) -> None:
    """Publish `license.exhausted` if the orders that have just been held, `newly` of them, are the only ones.

    So it is published once for each exhaustion, which lasts until no order is held. The caller has locked the
    licence (`take_line`, `take_lines`).
    """
    from certline.models.events.license_data import LicenseExhausted

    use = license_use(db)
    if use.held > newly:
        return
    event = LicenseExhausted(
        capacity=use.capacity, used=use.used, held=use.held, valid_until=as_day(use.valid_until)
    )
    emit_event(db, event, subject=subject, correlation_id=correlation_id)


def as_day(day: date | None) -> str | None:
    """Return a date as it is published (ISO 8601)."""
    return None if day is None else day.isoformat()


def take_line(db: Session, order: Order) -> bool:
    """Give the order a line if it has none. Returns False if the licence has no free line.

    The licence row stays locked until the transaction ends, so parallel workers cannot exceed the capacity.
    """
    if order.line_id is not None:
        return True
    room = _locked_room(db)
    # An imported order may be a renewal made at SCM, which shares its predecessor's line.
    if order.kind is OrderKind.IMPORT and (shared := shared_line(db, order)):
        order.line_id = shared
        return True
    # Free lines are reserved for held orders first, including those not released yet; hence `_held`
    # counts against capacity.
    if _held(db) >= room:
        return False
    _give_line(db, order)
    return True


def take_lines(db: Session, account_id: int, names: Sequence[str]) -> list[str]:
    """Create a line for each common name, in the given sequence, until the licence is used up.

    Returns the new lines' ids, possibly fewer than names. Locks the licence row.
    """
    room = _locked_room(db) - _held(db)
    lines = {new_id(): name for name in names[: max(0, room)]}
    rows = [
        {"id": line, "account_id": account_id, "common_name": name} for line, name in lines.items()
    ]
    add_rows(db, Line, rows)
    return list(lines)


def room_left(db: Session) -> int:
    """Return how many lines are free for new orders; negative if more orders are held than lines are free.

    Nothing is locked, so the number may change at any moment.
    """
    use = license_use(db)
    return use.available - use.held


def set_capacity(db: Session, capacity: int) -> None:
    """Set how many lines may be managed. Lowering it below the number in use deletes nothing."""
    db.get_one(License, 1, with_for_update=True).capacity = capacity
    db.flush()


def set_end(db: Session, valid_until: date | None) -> None:
    """Set the licence's last day, or that it has no end; its warnings begin again."""
    row = db.get_one(License, 1, with_for_update=True)
    row.valid_until, row.expiring_told = valid_until, None
    db.flush()


def orders_to_release(db: Session) -> list[Order]:
    """Give lines to the oldest held orders, as many as are free, and return those orders. Locks the licence row.

    At most MOST_RELEASED at a time (and the rest of the last one's run of renewals).

    The line is assigned now, not when the certificate is fetched, so that no newer order can take it first.
    """
    room = _locked_room(db)
    if room <= 0:
        return []
    waiting = db.scalars(
        select(Order)
        .where(Order.status == OrderStatus.HELD)
        .order_by(Order.issued_at, Order.id)
        .limit(min(room, MOST_RELEASED))
        # A fetch locks its order first and then the licence row; waiting for orders here, with the
        # licence row already locked, could deadlock. Skipped orders are released next time.
        .with_for_update(of=Order, skip_locked=True)
    )
    released: list[Order] = []
    for order in waiting:
        if order in released:  # as part of another order's run of renewals
            continue
        shared = shared_line(db, order) if order.kind is OrderKind.IMPORT else None
        if shared is None:
            _give_line(db, order)
        else:
            order.line_id = shared
        released += [order, *_held_kin(db, order)]
    return released


def _held_kin(db: Session, order: Order) -> list[Order]:
    """Give the held orders of an imported order's run of renewals its line, and return them."""
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


def _locked_room(db: Session) -> int:
    """Lock the licence, and return how many more lines may be managed; below zero if there are too many already.

    Once the licence has ended, none may be.
    """
    db.flush()  # lines of this transaction count
    # populate_existing: a copy that the session loaded before the lock may be out of date.
    row = db.get_one(License, 1, with_for_update=True, populate_existing=True)
    left = _days_left(db, row)
    return (row.capacity if left is None or left > 0 else 0) - row.used


def _days_left(db: Session, row: License) -> int | None:
    if row.valid_until is None:
        return None
    return (row.valid_until - clock(db).astimezone(UTC).date()).days + 1


def _held(db: Session) -> int:
    db.flush()
    return db.connection().execute(_HELD).scalar() or 0


# Built once, because every new order runs it.
_HELD = select(func.count()).where(Order.status == OrderStatus.HELD)
