"""Breaker: one row per SCM URL, shared by all workers; while it is open, no worker calls that SCM."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, DateTime, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import WORKER
from certline.models.audit.log import record
from certline.models.database.base import Base

# Consecutive failures, over all workers, that open the breaker.
MOST_FAILURES = 5
# Pause after the breaker opens; it doubles with each failed probe, up to LONGEST_PAUSE.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
# A probe without a result by then is assumed dead with its worker, and another may be made.
PROBE_LEASE = timedelta(minutes=2)

NONE = timedelta(0)
# The real time: now() is the transaction's start, before any wait for the row's lock.
_CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))


class Breaker(Base):
    """Breaker of one SCM: the consecutive failures, and until when no calls are made."""

    __tablename__ = "breaker"
    __table_args__ = (CheckConstraint("failures >= 0", name="failures_count_up"),)

    url: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    open_until: Mapped[datetime | None]
    probing_until: Mapped[datetime | None]
    reason: Mapped[str | None]


def pause_after(failures: int) -> timedelta | None:
    """Return the pause after so many consecutive failures; None if the breaker stays closed."""
    if failures < MOST_FAILURES:
        return None
    # The exponent is capped: after a long outage a timedelta would overflow.
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failures - MOST_FAILURES, 20)))


@dataclass(frozen=True)
class BreakerState:
    """State of a breaker. Closed: calls may be made. Open: none for `wait`. Half open: one probe may be made."""

    closed: bool
    wait: timedelta = NONE
    reason: str | None = None


CLOSED = BreakerState(closed=True)


def state_at(now: datetime, open_until: datetime | None, reason: str | None) -> BreakerState:
    """Return the state at a time of a breaker that is open until then, or closed if `open_until` is None."""
    if open_until is None:
        return CLOSED
    return BreakerState(False, max(NONE, open_until - now), reason)


def take_probe(db: Session, url: str) -> bool:
    """Claim the probe of a half-open breaker. Returns True if the caller may try SCM with one *read*."""
    # One UPDATE decides: of several workers only one gets the row back.
    taken = db.execute(
        update(Breaker)
        .where(
            Breaker.url == url,
            Breaker.open_until <= _CLOCK,
            or_(Breaker.probing_until.is_(None), Breaker.probing_until <= _CLOCK),
        )
        .values(probing_until=_CLOCK + PROBE_LEASE)
        .returning(Breaker.url)
        # Safe: whoever loads a breaker to change it does so with populate_existing.
        .execution_options(synchronize_session=False)
    )
    return taken.one_or_none() is not None


def end_probe(db: Session, url: str) -> None:
    """Give back a probe that was not made, so that another worker may make one."""
    db.execute(update(Breaker).where(Breaker.url == url).values(probing_until=None))


@dataclass(frozen=True)
class Failure:
    """Failed call as recorded: the consecutive failures, and for how long the breaker is open (None: closed)."""

    failures: int
    pause: timedelta | None


def failed(db: Session, url: str, reason: str) -> Failure:
    """Record that SCM did not respond or is out of order. Returns the count and the pause.

    Failures that arrive while the breaker is open are not counted: their calls began before it opened.
    """
    # The row has to exist before it can be locked.
    db.execute(insert(Breaker).values(url=url, failures=0).on_conflict_do_nothing())
    row = db.get_one(Breaker, url, with_for_update=True, populate_existing=True)
    now = db.scalars(select(_CLOCK)).one()
    if row.open_until is not None and row.open_until > now:
        return Failure(row.failures, row.open_until - now)
    row.failures += 1
    row.reason = reason
    row.probing_until = None
    pause = pause_after(row.failures)
    if pause is not None:
        if row.open_until is None:  # logged once per outage, not for each failed probe
            record(
                db,
                "breaker.opened",
                url,
                who=WORKER,
                why=reason,
                failures=row.failures,
                seconds=pause.total_seconds(),
            )
        row.open_until = now + pause
    return Failure(row.failures, pause)


def succeeded(db: Session, url: str) -> bool:
    """Record that SCM responded: reset the consecutive failures. Returns True if this closed the breaker.

    Takes no lock if there is nothing to reset, which is the usual case.
    """
    troubled = or_(Breaker.failures > 0, Breaker.open_until.is_not(None))
    if db.scalar(select(Breaker.url).where(Breaker.url == url, troubled)) is None:
        return False
    row = db.get_one(Breaker, url, with_for_update=True, populate_existing=True)
    was_open = row.open_until is not None
    row.failures, row.open_until, row.probing_until, row.reason = 0, None, None, None
    if was_open:
        record(db, "breaker.closed", url, who=WORKER, why="SCM responds again")
    return was_open


def open_breakers(db: Session) -> list[Breaker]:
    """Return the breakers that are open or half open, by URL."""
    query = select(Breaker).where(Breaker.open_until.is_not(None)).order_by(Breaker.url)
    return list(db.scalars(query))
