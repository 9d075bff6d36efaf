"""Forecast of the licence: open orders that will need a line, and the day on which the lines run out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.certificates.license import LicenseUse, license_use
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.states import OrderKind, OrderStatus

# Days over which the rate of new orders is measured.
RATE_DAYS = 30
# Statuses of an order that will need a line once its certificate is fetched.
IN_FLIGHT = (OrderStatus.PLACED, OrderStatus.SENDING, OrderStatus.PENDING, OrderStatus.ISSUED)


@dataclass(frozen=True)
class LicenseForecast:
    """Use of the licence and its forecast.

    `in_flight`: open orders that will need a line. `per_day`: new orders a day. `runs_out_at`: when no line will
    be left, or None if that never happens at this rate.
    """

    use: LicenseUse
    in_flight: int
    per_day: float
    runs_out_at: datetime | None


def outlook(db: Session) -> LicenseForecast:
    """Return the use of the licence, and when it runs out at the recent rate of new orders.

    Renewals and reissues need no line of their own, and imports happen once, so neither is part of the rate.
    Future deletions are not estimated: `runs_out_at` is the earliest time.
    """
    use, now = license_use(db), clock(db)
    wants_line = (Order.line_id.is_(None), Order.status.in_(IN_FLIGHT))
    in_flight = db.scalar(select(func.count()).select_from(Order).where(*wants_line)) or 0
    # A new order with a predecessor is a renewal that its profile did not allow as such.
    new = (Order.kind == OrderKind.NEW, Order.predecessor_id.is_(None))
    lasting = Order.status.not_in((OrderStatus.REJECTED, OrderStatus.CANCELLED))
    since = now - timedelta(days=RATE_DAYS)
    recent = select(func.count()).where(*new, lasting, Order.created_at >= since)
    first = db.scalar(select(func.min(Order.created_at)).where(*new))
    per_day = orders_per_day(db.scalar(recent) or 0, now - (first or now))
    room = use.available - use.held - in_flight
    return LicenseForecast(use, in_flight, per_day, runs_out(room, per_day, now))


def orders_per_day(count: int, since_first: timedelta) -> float:
    """Return orders per day: `count` over the last RATE_DAYS, or over the time since the first order if shorter.

    At least one day is counted, so that a busy first hour is not extrapolated.
    """
    days = min(float(RATE_DAYS), max(1.0, since_first / timedelta(days=1)))
    return count / days


def runs_out(room: int, per_day: float, now: datetime) -> datetime | None:
    """Return when `room` more lines will be used up: `now` if there are none left, None if never."""
    if room <= 0:
        return now
    try:
        return now + timedelta(days=room / per_day)
    except (ZeroDivisionError, OverflowError):  # overflow: a date after the year 9999
        return None
