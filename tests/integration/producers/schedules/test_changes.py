"""Tests of changed schedules: their new time, who changed them, and what is refused."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from certline.models import AuditEntry, Database, Schedule
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.schedule import change_schedule
from certline.models.validation import BadCommandError
from certline.producers.schedule import tick
from tests.integration.producers.schedules.due import SETTLE, count, next_due, set_due


def test_a_schedule_that_is_changed_runs_at_its_new_time_and_the_log_says_by_whom(
    database: Database,
) -> None:
    set_due(database, "sync", timedelta(hours=1))

    with database.transaction() as db:
        change_schedule(
            db, "sync", who=Identity("os:ida"), cron="15  3 * * 1-5", tz="Europe/Berlin"
        )

    with database.transaction() as db:
        changed = db.get_one(Schedule, "sync")
        [entry] = db.scalars(select(AuditEntry).where(AuditEntry.type == "schedule.changed"))
        local = changed.next_due.astimezone(ZoneInfo("Europe/Berlin"))
        assert (changed.cron, changed.tz) == ("15 3 * * 1-5", "Europe/Berlin")
        assert changed.next_due > clock(db)
        assert (local.hour, local.minute, local.weekday() < 5) == (3, 15, True)
        assert (entry.who, entry.data) == (
            "os:ida",
            {"cron": "15 3 * * 1-5", "tz": "Europe/Berlin"},
        )
    assert tick(database, SETTLE) == []


def test_a_schedule_that_is_switched_on_again_makes_up_for_nothing(database: Database) -> None:
    set_due(database, "sync", timedelta(days=30))
    with database.transaction() as db:
        change_schedule(db, "sync", who=Identity("os:ida"), enabled=False)
        change_schedule(db, "sync", who=Identity("os:ida"), enabled=True)

    assert tick(database, SETTLE) == []


def test_a_change_that_changes_nothing_is_not_logged(database: Database) -> None:
    due = next_due(database, "sync")
    with database.transaction() as db:
        change_schedule(db, "sync", who=Identity("os:ida"), tz="UTC", enabled=True)

    assert next_due(database, "sync") == due
    assert count(database, AuditEntry) == 0


@pytest.mark.parametrize(
    ("cron", "tz"),
    [
        *(
            (cron, "UTC")
            for cron in ("", "daily", "@daily", "* * * * * *", "61 * * * *", "R * * * *")
        ),
        *(
            (cron, "UTC")
            for cron in ("0 0 31 2 *", "*/0 * * * *", "٣ * * * *", "h h * * *", "\0 * * * *")
        ),
        *(
            ("0 5 * * *", tz)
            for tz in ("", "Mars/Base", "../../etc/passwd", "/etc", "\0", "Europe", "x" * 9999)
        ),
    ],
)
def test_a_time_that_is_none_is_refused_and_the_schedule_stays(
    database: Database, cron: str, tz: str
) -> None:
    due = next_due(database, "sync")

    with database.transaction() as db, pytest.raises(BadCommandError, match=r"^(cron|tz): "):
        change_schedule(db, "sync", who=Identity("os:ida"), cron=cron, tz=tz)

    assert next_due(database, "sync") == due
