"""Schedules, and one row for each firing, so that no two producers fire the same one."""

from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.session import clock


class Schedule(Base):
    """A named job and when it is next due; `cron` is interpreted in the time zone `tz`."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(primary_key=True)
    cron: Mapped[str]
    tz: Mapped[str] = mapped_column(default="UTC")
    enabled: Mapped[bool] = mapped_column(default=True)
    next_due: Mapped[datetime]


class ScheduleRun(Base):
    """One firing of a schedule; the primary key (name, due) makes it unique."""

    __tablename__ = "schedule_run"

    name: Mapped[str] = mapped_column(
        ForeignKey("schedule.name", ondelete="CASCADE"), primary_key=True
    )
    due: Mapped[datetime] = mapped_column(primary_key=True)
    fired_at: Mapped[datetime] = mapped_column(server_default=func.now())


def next_after(cron: str, tz: str, moment: datetime) -> datetime:
    """Return when a cron expression is next due after a moment.

    Raises ValueError (croniter's) for an invalid expression, KeyError (zoneinfo's) for an unknown time zone.
    """
    due: datetime = croniter(cron, moment.astimezone(ZoneInfo(tz))).get_next(datetime)
    return due


def schedules(db: Session) -> list[Schedule]:
    """Load all schedules, sorted by name."""
    return list(db.scalars(select(Schedule).order_by(Schedule.name)))


def last_fired(db: Session) -> dict[str, datetime]:
    """Return when each schedule fired last, by name; one that never fired is missing."""
    query = select(ScheduleRun.name, func.max(ScheduleRun.fired_at)).group_by(ScheduleRun.name)
    return {row[0]: row[1] for row in db.execute(query)}


def due_schedules(db: Session) -> set[str]:
    """Return the names of the schedules that are due now, without claiming them (see `take_due`)."""
    due = select(Schedule.name).where(Schedule.enabled, Schedule.next_due <= func.now())
    return set(db.scalars(due))


def take_due(db: Session, name: str) -> bool:
    """Claim and fire a schedule if it is due, and set its next time. Returns True if it was fired.

    Missed firings are made up by a single one. A schedule that another producer is firing is skipped. Raises
    ValueError or KeyError if its cron expression or its time zone is invalid.
    """
    schedule = db.scalar(
        select(Schedule)
        .where(Schedule.name == name, Schedule.enabled, Schedule.next_due <= func.now())
        .with_for_update(skip_locked=True)
    )
    if schedule is None:
        return False
    fired = fire(db, schedule, schedule.next_due)
    # Counted from now, not from the time it was due, so that missed firings are not caught up.
    schedule.next_due = next_after(schedule.cron, schedule.tz, clock(db))
    return fired


def fire(db: Session, schedule: Schedule, due: datetime) -> bool:
    """Record a firing. Returns False if the schedule was fired for this due time before."""
    # The primary key decides which of two producers fires; the other one inserts nothing.
    row = insert(ScheduleRun).values(name=schedule.name, due=due).on_conflict_do_nothing()
    return db.scalar(row.returning(ScheduleRun.name)) is not None
