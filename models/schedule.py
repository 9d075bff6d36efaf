"""What runs when: schedules, and one row for each firing so that no replica fires it again."""

from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import croniter
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.session import clock


class Schedule(Base):
    """A named job and when it is next due; `cron` is read in the zone `tz`."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(primary_key=True)
    cron: Mapped[str]
    tz: Mapped[str] = mapped_column(default="UTC")
    enabled: Mapped[bool] = mapped_column(default=True)
    next_due: Mapped[datetime]


class ScheduleRun(Base):
    """One firing. The key (name, due) is what makes it the only one."""

    __tablename__ = "schedule_run"

    name: Mapped[str] = mapped_column(
        ForeignKey("schedule.name", ondelete="CASCADE"), primary_key=True
    )
    due: Mapped[datetime] = mapped_column(primary_key=True)
    fired_at: Mapped[datetime] = mapped_column(server_default=func.now())


def next_after(cron: str, tz: str, moment: datetime) -> datetime:
    """When a cron line is next due after a moment. Raises croniter's ValueError for a bad line."""
    due: datetime = croniter(cron, moment.astimezone(ZoneInfo(tz))).get_next(datetime)
    return due


def schedules(db: Session) -> list[Schedule]:
    """Every schedule, by name."""
    return list(db.scalars(select(Schedule).order_by(Schedule.name)))


def last_fired(db: Session) -> dict[str, datetime]:
    """When each schedule fired last."""
    query = select(ScheduleRun.name, func.max(ScheduleRun.fired_at)).group_by(ScheduleRun.name)
    return {row[0]: row[1] for row in db.execute(query)}


def due_schedules(db: Session) -> set[str]:
    """The names of those that are due now; another replica may be about to fire them."""
    due = select(Schedule.name).where(Schedule.enabled, Schedule.next_due <= func.now())
    return set(db.scalars(due))


def take_due(db: Session, name: str) -> bool:
    """Claim a schedule that is due: once, however many runs were missed, and set its next time.

    One that another replica is firing is passed over. Raises ValueError or KeyError where its cron
    line or its zone cannot be read.
    """
    schedule = db.scalar(
        select(Schedule)
        .where(Schedule.name == name, Schedule.enabled, Schedule.next_due <= func.now())
        .with_for_update(skip_locked=True)
    )
    if schedule is None:
        return False
    fired = fire(db, schedule, schedule.next_due)
    schedule.next_due = next_after(schedule.cron, schedule.tz, clock(db))
    return fired


def fire(db: Session, schedule: Schedule, due: datetime) -> bool:
    """Record a firing; False where this one has been fired before."""
    row = insert(ScheduleRun).values(name=schedule.name, due=due).on_conflict_do_nothing()
    return db.scalar(row.returning(ScheduleRun.name)) is not None
