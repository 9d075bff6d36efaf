"""Helpers for the sweep: commands that were not touched for a while."""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Database, Outbox
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.producers.sweep import sweep

MOMENT = timedelta(seconds=30)
SETTLE = timedelta(minutes=15)
IDLE = dict.fromkeys(
    (
        "woken",
        "followed",
        "unknown",
        "released",
        "expiring",
        "expired",
        "settled",
        "told",
        "forgotten",
    ),
    0,
)


def asked(db: Session, kind: CommandType = CommandType.SYNC, **named: Any) -> Command:
    """Accept a command whose message is marked as sent."""
    usual = {"payload": {}, "requested_by": Identity("os:ida"), "source": "cli"}
    command, _ = accept(db, kind, **{**usual, **named})
    db.flush()
    db.execute(update(Outbox).values(sent_at=func.now()))
    return command


def age(db: Session, command: Command, by: timedelta) -> None:
    """Make a command untouched for that long."""
    then = clock(db, -by)
    command.not_before = command.touched_at = then
    db.flush()


def swept(database: Database) -> dict[str, int]:
    """Run a sweep and return its counts."""
    return database.run(partial(sweep, settle=SETTLE))


def to_send(database: Database) -> list[str]:
    """Return the ids of the commands that the relay is going to wake."""
    with database.transaction() as db:
        rows = db.scalars(select(Outbox).where(Outbox.sent_at.is_(None)))
        return [row.body["kwargs"]["command_id"] for row in rows if not row.exchange]
