"""Bulk inserts and updates: many rows in one statement, without the ORM's cost for each object."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.commands.command import Command, command_row
from certline.models.commands.wake_up import wake_up
from certline.models.database.bulk import add_rows
from certline.models.database.session import WAKE, clock
from certline.models.events.outbox import Outbox
from certline.models.states import CommandType


def begin_steps(
    db: Session,
    kind: CommandType,
    orders: Sequence[str],
    *,
    requested_by: Identity,
    correlation_id: str,
    after: timedelta,
) -> None:
    """Insert the first step of each of these orders, due after `after`, with its message.

    The orders must have been created in this transaction: it is not checked whether a step is open already.
    """
    due = clock(db, after) if orders else None
    rows = [
        command_row(
            str(uuid.uuid4()),
            kind,
            {"order": order},
            requested_by=requested_by,
            source="certline",
            subject=order,
            correlation_id=correlation_id,
        )
        | {"not_before": due}
        for order in orders
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, str(row["id"])) for row in rows], after=after)


def accept_many(
    db: Session,
    kind: CommandType,
    asked: Mapping[str, tuple[str, dict[str, Any]]],
    *,
    requested_by: Identity,
    source: str,
) -> None:
    """Insert many commands with their messages; `asked` maps each command id to (subject, payload).

    Unlike `models.commands.command.accept` it doesn't check for an id that is in use: the caller rules that out.
    """
    rows = [
        command_row(
            own_id,
            kind,
            payload,
            requested_by=requested_by,
            source=source,
            subject=subject,
            correlation_id=own_id,
        )
        for own_id, (subject, payload) in asked.items()
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, own_id) for own_id in asked])


def send_out(
    db: Session, rows: Sequence[Mapping[str, Any]], *, after: timedelta = timedelta(0)
) -> None:
    """Have many messages go out (made by `wake_up` or `event_row`), at once or after a while.

    Messages that go out at once set WAKE, so that the commit wakes the relay (`Database.transaction`).
    """
    if not rows:
        return
    later = {"not_before": clock(db, after)} if after else {}
    add_rows(db, Outbox, [{**row, **later} for row in rows])
    if not after:
        db.info[WAKE] = True
