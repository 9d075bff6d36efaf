"""Schedules, and one row for each firing, so that no two producers fire the same one."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.base import Base
from certline.models.database.session import clock
from certline.models.validation import BadCommandError

# Minute, hour, day of the month, month, day of the week. croniter also reads six and seven, with seconds and
# years, and random ones; a producer looks every few seconds only, and a time has to be repeatable.
CRON_FIELDS = 5


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
    from croniter import croniter

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


def make_due(db: Session, name: str) -> None:
    """Make a schedule due at the producer's next tick, if it is switched on."""
    enabled = Schedule.name == name, Schedule.enabled
    db.execute(update(Schedule).where(*enabled).values(next_due=func.now()))


def change_schedule(
    db: Session,
    name: str,
    *,
    who: Identity,
    cron: str | None = None,
    tz: str | None = None,
    enabled: bool | None = None,
) -> Schedule:
    """Change when a schedule fires, or whether it does; None keeps a value. Writes an audit entry.

    The next time is counted from now. Raises KeyError if there is no schedule of that name, BadCommandError for
    an invalid cron expression or an unknown time zone.
    """
    schedule = db.get(Schedule, name, with_for_update=True)
    if schedule is None:
        raise KeyError(name)
    cron = schedule.cron if cron is None else " ".join(cron.split())
    tz = schedule.tz if tz is None else tz
    problems = list(_problems_of_schedule(cron, tz))
    if problems:
        raise BadCommandError(problems)
    wanted: dict[str, Any] = {"cron": cron, "tz": tz, "enabled": enabled}
    changed = {
        key: value
        for key, value in wanted.items()
        if value is not None and value != getattr(schedule, key)
    }
    if not changed:
        return schedule
    for key, value in changed.items():
        setattr(schedule, key, value)
    schedule.next_due = next_after(schedule.cron, schedule.tz, clock(db))
    record(db, "schedule.changed", name, who=who, **changed)
    db.flush()
    return schedule


def _problems_of_schedule(cron: str, tz: str) -> Iterator[str]:
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, OSError):
        yield f"tz: {tz!r} is not a time zone, such as UTC or Europe/Berlin"
        return
    fields = cron.split()
    if len(fields) != CRON_FIELDS or set("RrHh") & set(fields[0] + fields[1]):
        yield (
            f"cron: {cron!r} should have five fields: minute, hour, day of the month, month, day of the week, "
            "such as '30 5 * * *' for 05:30 every day"
        )
        return
    try:
        next_after(cron, tz, datetime.now(UTC))
    except ValueError as unclear:
        yield f"cron: {cron!r} is not a time that comes: {unclear}"


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
