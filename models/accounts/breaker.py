"""The breaker: one row for each SCM, shared by all workers; while it is open nobody calls."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, DateTime, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.log import record
from certline.models.database.base import Base

# Failures in a row, of all workers together, after which SCM is left alone.
MOST_FAILURES = 5
# For so long at first, then twice as long after each probe that fails.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=10)
# A probe that hasn't come back by then died with its worker, and another may go.
PROBE_LEASE = timedelta(minutes=2)

NONE = timedelta(0)
_CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))


class Breaker(Base):
    """How often SCM failed in a row, and until when it is left alone."""

    __tablename__ = "breaker"
    __table_args__ = (CheckConstraint("failures >= 0", name="failures_count_up"),)

    url: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    open_until: Mapped[datetime | None]
    probing_until: Mapped[datetime | None]
    reason: Mapped[str | None]


def pause_after(failures: int) -> timedelta | None:
    """How long SCM is left alone after so many failures in a row; None where it isn't yet."""
    if failures < MOST_FAILURES:
        return None
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(failures - MOST_FAILURES, 20)))


@dataclass(frozen=True)
class Standing:
    """Closed: calls go. Open: nobody calls for `wait`. Else half open: one probe may go."""

    closed: bool
    wait: timedelta = NONE
    reason: str | None = None

    @property
    def half_open(self) -> bool:
        """Whether it is time for a probe."""
        return not self.closed and not self.wait


CLOSED = Standing(closed=True)


def standing(db: Session, url: str) -> Standing:
    """How the breaker of this SCM stands now."""
    query = select(Breaker.open_until, Breaker.reason, _CLOCK).where(
        Breaker.url == url, Breaker.open_until.is_not(None)
    )
    found = db.execute(query).one_or_none()
    if found is None:
        return CLOSED
    open_until, reason, now = found
    return Standing(False, max(NONE, (open_until or now) - now), reason)


def take_probe(db: Session, url: str) -> bool:
    """Whether the caller is the one that may try SCM with one *read*, now that it is half open."""
    taken = db.execute(
        update(Breaker)
        .where(
            Breaker.url == url,
            Breaker.open_until <= _CLOCK,
            or_(Breaker.probing_until.is_(None), Breaker.probing_until <= _CLOCK),
        )
        .values(probing_until=_CLOCK + PROBE_LEASE)
        .returning(Breaker.url)
        .execution_options(synchronize_session=False)
    )
    return taken.one_or_none() is not None


def end_probe(db: Session, url: str) -> None:
    """The probe was not made after all: another may go."""
    db.execute(update(Breaker).where(Breaker.url == url).values(probing_until=None))


@dataclass(frozen=True)
class Failure:
    """One more failed call: how many in a row it makes, and for how long the breaker is open now."""

    failures: int
    pause: timedelta | None


def failed(db: Session, url: str, reason: str) -> Failure:
    """SCM did not answer, or was out of order. Calls that were under way when the breaker opened
    say nothing new: they don't count.
    """
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
        if row.open_until is None:
            record(
                db,
                "breaker.opened",
                url,
                who="certline",
                why=reason,
                failures=row.failures,
                seconds=pause.total_seconds(),
            )
        row.open_until = now + pause
    return Failure(row.failures, pause)


def succeeded(db: Session, url: str) -> bool:
    """SCM has answered: failures in a row begin anew. Answers whether the breaker closed by this.

    Costs no lock where there is nothing to reset.
    """
    troubled = or_(Breaker.failures > 0, Breaker.open_until.is_not(None))
    if db.scalar(select(Breaker.url).where(Breaker.url == url, troubled)) is None:
        return False
    row = db.get_one(Breaker, url, with_for_update=True, populate_existing=True)
    was_open = row.open_until is not None
    row.failures, row.open_until, row.probing_until, row.reason = 0, None, None, None
    if was_open:
        record(db, "breaker.closed", url, who="certline", why="SCM answers again")
    return was_open


def open_breakers(db: Session) -> list[Breaker]:
    """The SCMs that are left alone at present, or are being tried again."""
    query = select(Breaker).where(Breaker.open_until.is_not(None)).order_by(Breaker.url)
    return list(db.scalars(query))
