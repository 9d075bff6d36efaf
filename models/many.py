"""Bulk inserts and updates: many rows in one statement, without the ORM's cost for each object."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, bindparam, column, func, insert, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from models.base import Base
from models.command import Command, CommandType, digest_of
from models.outbox import Outbox, wake_up
from models.session import WAKE, clock


def add_rows(db: Session, kind: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns; columns that are not named get their defaults."""
    if rows:
        db.connection().execute(insert(cast("Table", kind.__table__)), [dict(row) for row in rows])


def set_in_rows(db: Session, kind: type[Base], name: str, values: Mapping[str, Any]) -> None:
    """Set one column of many rows in one statement; `values` has the new value by the row's id.

    Objects that the session has loaded are not updated.
    """
    if not values:
        return
    table = cast("Table", kind.__table__)
    id_type, value_type = table.c.id.type, table.c[name].type
    # Two arrays as parameters: the statement is the same however many rows there are.
    unnested = func.unnest(
        bindparam("ids", list(values), ARRAY(id_type)),
        bindparam("values", list(values.values()), ARRAY(value_type)),
    )
    given = unnested.table_valued(column("own_id", id_type), column("value", value_type))
    given = given.render_derived()
    change = update(table).where(table.c.id == given.c.own_id).values({name: given.c.value})
    db.connection().execute(change)


def begin_steps(
    db: Session,
    kind: CommandType,
    orders: Sequence[str],
    *,
    requested_by: str,
    correlation_id: str,
    after: timedelta,
) -> None:
    """Insert the first step of each of these orders, due after `after`, with its message.

    The orders must have been created in this transaction: it is not checked whether a step is open already.
    """
    due = clock(db, after) if orders else None
    rows = [
        {
            "id": str(uuid.uuid4()),
            "type": kind,
            "subject": order,
            "payload": {"order": order},
            "payload_sha256": digest_of({"order": order}),
            "requested_by": requested_by,
            "source": "certline",
            "correlation_id": correlation_id,
            "not_before": due,
        }
        for order in orders
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, str(row["id"])) for row in rows], after=after)


def accept_many(
    db: Session,
    kind: CommandType,
    asked: Mapping[str, tuple[str, dict[str, Any]]],
    *,
    requested_by: str,
    source: str,
    correlation_id: str,
) -> None:
    """Insert many commands with their messages; `asked` maps each command id to (subject, payload).

    Unlike `models.command.accept` it doesn't check for an id that is in use: the caller rules that out.
    """
    rows = [
        {
            "id": own_id,
            "type": kind,
            "subject": subject,
            "payload": payload,
            "payload_sha256": digest_of(payload),
            "requested_by": requested_by,
            "source": source,
            "correlation_id": correlation_id,
        }
        for own_id, (subject, payload) in asked.items()
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, own_id) for own_id in asked])


def send_out(
    db: Session, rows: Sequence[Mapping[str, Any]], *, after: timedelta = timedelta(0)
) -> None:
    """Insert outbox rows made by `models.outbox.wake_up` or `told`, due now or after `after`."""
    if not rows:
        return
    later = {"not_before": clock(db, after)} if after else {}
    add_rows(db, Outbox, [{**row, **later} for row in rows])
    if not after:
        db.info[WAKE] = True
