"""Schedules: their names, and when they are due."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from certline.models import Base, Database, Schedule
from certline.models.database.session import clock

NAMES = {"sync", "poll", "sweep", "auto-renew", "auto-validate", "audit-head"}
SETTLE = timedelta(minutes=15)


def count(database: Database, table: type[Base]) -> int:
    """Return how many rows a table has."""
    with database.transaction() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def set_due(database: Database, name: str, ago: timedelta) -> datetime:
    """Make only that schedule due, for so long. Returns since when."""
    with database.transaction() as db:
        db.execute(update(Schedule).values(next_due=func.now() + timedelta(days=1)))
        schedule = db.get_one(Schedule, name)
        schedule.next_due = clock(db, -ago)
        return schedule.next_due


def next_due(database: Database, name: str) -> datetime:
    """Return when the schedule is due next."""
    with database.transaction() as db:
        return db.get_one(Schedule, name).next_due
