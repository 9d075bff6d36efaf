"""When the licence runs out: what is on its way to a line, and the present rate of new orders."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.certificates.license import LicenseUse, license_use
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.states import OrderKind, OrderStatus

# The rate of new orders is that of so many days.
RATE_DAYS = 30
# States of an order that will want a line once its certificate is fetched.
IN_FLIGHT = (OrderStatus.PLACED, OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED)


@dataclass(frozen=True)
class Outlook:
    """How the licence will stand: `in_flight` are orders that will want a line; `per_day` are new
    orders a day; `runs_out_at` is None where it never does at that rate.
    """

    use: LicenseUse
    in_flight: int
    per_day: float
    runs_out_at: datetime | None


def outlook(db: Session) -> Outlook:
    """How the licence stands, and when it runs out at the present rate of new orders.

    Renewals and reissues take no line, and imports come once, so neither is part of the rate. Lines
    that may be deleted are not foreseen: it is the earliest day.
    """
    use, now = license_use(db), clock(db)
    wants_line = (Order.line_id.is_(None), Order.status.in_(IN_FLIGHT))
    in_flight = db.scalar(select(func.count()).select_from(Order).where(*wants_line)) or 0
    new = (Order.kind == OrderKind.NEW, Order.predecessor_id.is_(None))
    lasting = Order.status.not_in((OrderStatus.REJECTED, OrderStatus.CANCELLED))
    since = now - timedelta(days=RATE_DAYS)
    recent = select(func.count()).where(*new, lasting, Order.created_at >= since)
    first = db.scalar(select(func.min(Order.created_at)).where(*new))
    per_day = orders_per_day(db.scalar(recent) or 0, now - (first or now))
    room = use.available - use.held - in_flight
    return Outlook(use, in_flight, per_day, runs_out(room, per_day, now))


def orders_per_day(count: int, since_first: timedelta) -> float:
    """The rate of so many orders in the last RATE_DAYS, or since the first one where that is less
    long ago; a day at least, so that a first busy hour is no rate.
    """
    days = min(float(RATE_DAYS), max(1.0, since_first / timedelta(days=1)))
    return count / days


def runs_out(room: int, per_day: float, now: datetime) -> datetime | None:
    """When room for so many more lines is used up: now where there is none, None for never."""
    if room <= 0:
        return now
    try:
        return now + timedelta(days=room / per_day)
    except (ZeroDivisionError, OverflowError):
        return None
