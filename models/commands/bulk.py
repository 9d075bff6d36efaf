"""Rows of commands without the unit of work: the steps of orders, and many commands in one statement."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Interval, Select, Table, Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from certline.models.audit.identity import Identity
from certline.models.commands.command import Command
from certline.models.commands.command_row import command_row
from certline.models.commands.wake_up import emit_wake_up, wake_up
from certline.models.database.bulk import add_rows
from certline.models.database.session import SOON, WAKE, clock
from certline.models.events.outbox import Outbox
from certline.models.events.trace_context import (
    new_traceparent,
    traceparent_in,
)
from certline.models.states import CommandStatus, CommandType

# Built once, because every order has steps. Of the kinds that may be open once, the index refuses a second one.
_STEP = Command.__table__.c
# The trace of an order is that of its command, whoever begins its next step: a schedule, or a user.
_ITS_OWN = (
    select(_STEP.traceparent)
    .where(
        _STEP.id == bindparam("correlated", type_=_STEP.id.type),
        func.substr(_STEP.traceparent, 4, 32)
        != func.substr(bindparam("current", type_=Text), 4, 32),
    )
    .scalar_subquery()
)
_NEW_STEP = (
    insert(cast("Table", Command.__table__))
    .values(
        not_before=func.now() + bindparam("after", type_=Interval),
        traceparent=func.coalesce(_ITS_OWN, bindparam("current", type_=Text)),
    )
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
    trace = traceparent_in(db.info)
    row = _step_row(own_id, kind, order, requested_by, correlation_id, traceparent=trace)
    del row["traceparent"]
    given = {**row, "after": after, "correlated": correlation_id, "current": trace}
    added = db.connection().execute(_NEW_STEP, given).first()
    if added is not None:
        emit_wake_up(db, kind, own_id, after=after, traceparent=trace)
    return added is not None


def _step_row(
    own_id: str,
    kind: CommandType,
    order: str,
    requested_by: Identity,
    correlation_id: str | None,
    *,
    traceparent: str,
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
        traceparent=traceparent,
    )


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
        _step_row(
            str(uuid.uuid4()),
            kind,
            order,
            requested_by,
            correlation_id,
            traceparent=traceparent_in(db.info),
        )
        | {"not_before": due}
        for order in orders
    ]
    add_rows(db, Command, rows)
    send_out(db, [wake_up(kind, str(row["id"])) for row in rows], after=after)


def begin_missing_steps(
    db: Session,
    kind: CommandType,
    orders: Sequence[tuple[str, str | None, str, str | None]],
) -> int:
    """Insert the next step of each of these orders, with its message, unless one is open. Returns how many.

    `orders`: (order id, id of the order's command, who requested the order, traceparent of that command). `kind`
    is one of ONE_AT_A_TIME, whose index decides between two transactions that insert the same step.
    """
    rows = []
    for order, command, requested_by, known in orders:
        own_id, who, trace = (
            str(uuid.uuid4()),
            Identity.of_row(requested_by),
            known or new_traceparent(),
        )
        rows.append(_step_row(own_id, kind, order, who, command, traceparent=trace))
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

    Each begins a trace of its own: one for thousands of renewals could not be read.
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
            traceparent=new_traceparent(),
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
