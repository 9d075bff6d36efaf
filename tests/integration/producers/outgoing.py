"""Helpers for outbox rows: writing them, and finding out which were sent."""

from datetime import timedelta

from certline.models import Database
from certline.models.commands.wake_up import emit_wake_up
from certline.models.events.outbox import COMMANDS, Outbox
from certline.models.states import CommandType
from tests.integration.producers.rabbit import rows


def emit(database: Database, count: int = 1, kind: str = "poll", seconds: float = 0) -> list[str]:
    """Write wake-ups. Returns their ids, in order."""
    before = len(rows(database))
    with database.transaction() as db:
        for number in range(count):
            emit_wake_up(db, CommandType(kind), str(number), after=timedelta(seconds=seconds))
    return [row.event_id for row in rows(database)[before:]]


def unroutable(database: Database) -> None:
    """Write a row for an exchange that routes it to no queue."""
    with database.transaction() as db:
        event = "0190aaaa-0000-7000-8000-000000000000"
        db.add(Outbox(event_id=event, exchange=COMMANDS, routing_key="nobody", body={}))


def sent(database: Database) -> list[bool]:
    """Return for each row whether it is marked as sent."""
    return [row.sent_at is not None for row in rows(database)]
