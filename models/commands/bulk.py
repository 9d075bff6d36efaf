"""Rows of commands without the unit of work: the steps of orders, and many commands in one statement."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Interval, Select, Table, bindparam, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.commands.command import Command, command_row
from certline.models.commands.wake_up import emit_wake_up, wake_up
from certline.models.database.bulk import add_rows
from certline.models.database.session import SOON, WAKE, clock
from certline.models.events.outbox import Outbox
from certline.models.states import CommandStatus, CommandType

# Built once, because every order has steps. Of the kinds that may be open once, the index refuses a second one.
_NEW_STEP = (
    insert(cast("Table", Command.__table__))
    .values(not_before=func.now() + bindparam("after", type_=Interval))
    .on_conflict_do_nothing()
    .returning(Command.id)
)


def begin_step(
    db: Session,
    kind: CommandType,
    order: str,
    *,
    requested_by: Identity,
    correlation_id: str | None,
    after: timedelta,
) -> bool:
    """Insert a step of an order, due after `after`, with its message. Returns False if it is open already."""
    own_id = str(uuid.uuid4())
    row = _step_row(own_id, kind, order, requested_by, correlation_id)
    added = db.connection().execute(_NEW_STEP, {**row, "after": after}).first()
    if added is not None:
        emit_wake_up(db, kind, own_id, after=after)
    return added is not None


def _step_row(
    own_id: str,
    kind: CommandType,
    order: str,
    requested_by: Identity,
    correlation_id: str | None,
) -> dict[str, Any]:
    """Return the row of an order's step, which follows from the order's command, or from nothing but itself."""
    return command_row(
        own_id,
        kind,
        {"order": order},
        requested_by=requested_by,
        source="certline",
        subject=order,
        correlation_id=correlation_id or own_id,
    )


_STEP = Command.__table__.c
_FINISH = (
    update(cast("Table", Command.__table__))
    # A parallel run or an operator may have ended it meanwhile; the first end is kept.
    .where(_STEP.id == bindparam("own_id"), _STEP.status == CommandStatus.RUNNING)
    .values(
        status=CommandStatus.DONE,
        result=bindparam("with_result"),
        error=None,
        touched_at=func.now(),
        finished_at=func.now(),
    )
)


def finish_step(db: Session, command_id: str, result: dict[str, Any]) -> None:
    """End a step of an order as done, in the transaction that stores what it has led to."""
    db.connection().execute(_FINISH, {"own_id": command_id, "with_result": result})


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
        _step_row(str(uuid.uuid4()), kind, order, requested_by, correlation_id)
        | {"not_before": due}
        for order in orders
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, str(row["id"])) for row in rows], after=after)


def begin_missing_steps(
    db: Session, kind: CommandType, orders: Sequence[tuple[str, str | None, str]]
) -> int:
    """Insert the next step of each of these orders, with its message, unless one is open. Returns how many.

    `orders`: (order id, id of the order's command, who requested the order). `kind` is one of ONE_AT_A_TIME, whose
    index decides between two transactions that insert the same step.
    """
    rows = []
    for order, command, requested_by in orders:
        own_id = str(uuid.uuid4())
        rows.append(_step_row(own_id, kind, order, Identity.of_row(requested_by), command))
    if not rows:
        return 0
    new = insert(Command).on_conflict_do_nothing().returning(Command.id)
    added = list(db.scalars(new, rows))
    send_out(db, [wake_up(kind, own_id) for own_id in added])
    return len(added)


def hasten_many(db: Session, commands: Select[str]) -> int:
    """Make these queued or running commands due now, and wake a worker for each. Returns how many.

    `commands`: a query for their ids, which locks the rows.
    """
    # MATERIALIZED: the lock and the limit are taken once, before anything is updated.
    ids = commands.cte("chosen").prefix_with("MATERIALIZED", dialect="postgresql")
    chosen = db.execute(
        update(Command)
        .where(Command.id == ids.c.id)
        .values(not_before=func.now(), touched_at=func.now())
        .returning(Command.type, Command.id)
        .execution_options(synchronize_session=False)
    ).all()
    send_out(db, [wake_up(kind, own_id) for kind, own_id in chosen])
    return len(chosen)


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

    Messages that go out within SOON set WAKE, so that the commit wakes the relay (`Database.transaction`).
    """
    if not rows:
        return
    later = {"not_before": clock(db, after)} if after else {}
    add_rows(db, Outbox, [{**row, **later} for row in rows])
    if after < SOON:
        db.info[WAKE] = True
