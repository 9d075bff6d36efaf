"""The outbox: messages to be published, stored in the same transaction as the change that they report."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    BigInteger,
    Identity,
    Index,
    Interval,
    Select,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.bulk import write
from certline.models.database.session import SOON, WAKE, clock
from certline.models.events.trace_context import current_traceparent, traceparent_in

if TYPE_CHECKING:
    from certline.models.events.base import EventData

# Id of the command that this thread is executing: the cause of every event emitted meanwhile.
_cause: ContextVar[str | None] = ContextVar("cause", default=None)

EVENTS = "certline.events"
COMMANDS = "certline.commands"
# The queue from which the ingress reads the commands of other systems.
INGRESS = "certline.ingress"

# A row that the broker keeps refusing is parked after this many tries, so that it does not delay others.
MOST_TRIES = 20


class Outbox(Base):
    """A message to be published at `not_before` or later. Sent rows are kept for a week as a replay log."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "outbox_due",
            "not_before",
            "id",
            postgresql_where=text("sent_at IS NULL AND parked_at IS NULL"),
        ),
        Index("outbox_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
        Index("outbox_parked", "parked_at", postgresql_where=text("parked_at IS NOT NULL")),
        Index(
            "outbox_correlation",
            text("(body ->> 'correlationid')"),
            postgresql_where=text("exchange = 'certline.events'"),
        ),
        # Each row is updated once and deleted a week later: vacuum after a fixed number of dead rows,
        # since a share of the table (Postgres' default) would let the index of due rows bloat.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "1000",
                "fillfactor": "80",
            }
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    # Also the id of the message: receivers recognise a second delivery by it.
    event_id: Mapped[str] = mapped_column(UUID(as_uuid=False), unique=True)
    exchange: Mapped[str]
    routing_key: Mapped[str]
    body: Mapped[dict[str, Any]]
    mandatory: Mapped[bool] = mapped_column(default=True)
    # Of an event: names of senders whom it concerns besides those that the relay finds by its ids.
    senders: Mapped[list[str]] = mapped_column(default=list, server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]

    @property
    def payload(self) -> bytes:
        """The body as compact JSON, as it is posted to webhooks."""
        return json.dumps(self.body, separators=(",", ":")).encode()


# Built once: every step writes messages. `inline` asks for no generated id back.
_NOW = insert(cast("Table", Outbox.__table__)).inline()
_LATER = _NOW.values(not_before=func.now() + bindparam("after", type_=Interval))


def put_in_outbox(db: Session, row: dict[str, Any], *, after: timedelta = timedelta(0)) -> None:
    """Store a message (made by `event_row` or `wake_up`), to be published at once or after a while.

    A message that is due within SOON sets WAKE, so that the commit wakes the relay (`Database.transaction`).
    """
    row = {"senders": [], **row}  # all with the same columns, as `together` needs them
    if after:
        write(db, _LATER, {**row, "after": after})
    else:
        write(db, _NOW, row)
    if after < SOON:
        db.info[WAKE] = True


@contextmanager
def caused_by(command_id: str) -> Iterator[None]:
    """Mark events that are emitted in this block as caused by the command (`causationid`)."""
    before = _cause.set(command_id)
    try:
        yield
    finally:
        _cause.reset(before)


def emit_event(
    db: Session,
    data: EventData,
    *,
    subject: str | None,
    correlation_id: str | None,
    senders: Collection[str] = (),
) -> None:
    """Store an event for other systems: a CloudEvent 1.0 for the exchange `certline.events`.

    `senders`: those whom it concerns though neither its command nor its subject says so when it is published.
    Sets WAKE, so that the commit wakes the relay (`Database.transaction`).
    """
    row = event_row(
        data,
        subject=subject,
        correlation_id=correlation_id,
        traceparent=traceparent_in(db.info),
    )
    put_in_outbox(db, {**row, "senders": sorted(senders)})


def event_row(
    data: EventData,
    *,
    subject: str | None,
    correlation_id: str | None,
    traceparent: str | None = None,
) -> dict[str, Any]:
    """Return the outbox row of an event. `traceparent`: the current one if not given.

    It is not checked against its documented schema here, where it would cost every event and could only be
    published all the same. The tests check every event that they lead to (tests/support/documented_events.py).
    """
    from certline.models.events.base import as_json
    from certline.models.events.envelope import new_event

    kind = data.event_type
    event = new_event(kind, as_json(data), subject=subject)
    if correlation_id is not None:
        event["correlationid"] = correlation_id
    if (cause := _cause.get()) is not None:
        event["causationid"] = cause
    if (trace := traceparent or current_traceparent()) is not None:
        event["traceparent"] = trace
    return {
        "event_id": event["id"],
        "exchange": EVENTS,
        "routing_key": kind,
        "body": event,
        "mandatory": False,  # an event without any subscriber is not an error
    }


def last_event(command_id: str) -> Select[Outbox]:
    """Return the query for the last event about a command."""
    return (
        select(Outbox)
        .where(
            # Literal SQL as in the index `outbox_correlation`: with a parameter in place of the
            # exchange's name, Postgres could not prove that the partial index applies.
            text("exchange = 'certline.events'"),
            text("body ->> 'correlationid' = :id").bindparams(id=command_id),
            Outbox.routing_key != "command.rejected",
        )
        # By the id alone, Postgres would read the table from its end until it meets the command.
        .order_by((Outbox.id + 0).desc())
        .limit(1)
    )


def send_last_event_again(db: Session, command_id: str) -> str | None:
    """Publish the last event about a command again, under the event's own id. Returns the event's type.

    Sets WAKE, so that the commit wakes the relay (`Database.transaction`).
    Returns None if there was no event yet, or the sweep has deleted it. An earlier rejection of the same id
    says nothing about this command.
    """
    last = db.scalars(last_event(command_id).with_for_update()).first()
    if last is None:
        return None
    if last.sent_at is not None:
        last.sent_at = None
        last.not_before = clock(db)
        db.info[WAKE] = True
    return last.routing_key


def seconds_overdue(db: Session) -> float:
    """Return for how many seconds the oldest due row has waited to be sent; 0 if none is due."""
    oldest = (
        select(Outbox.not_before)
        .where(Outbox.sent_at.is_(None), Outbox.parked_at.is_(None))
        .order_by(Outbox.not_before)
        .limit(1)
        .scalar_subquery()
    )
    age = db.scalar(select(func.extract("epoch", func.now() - oldest)))
    return max(0.0, float(age or 0))


def outbox_backlog(db: Session) -> tuple[int, float, int]:
    """Return (number of rows due and not sent, seconds the oldest has been due, number of parked rows)."""
    due = (Outbox.sent_at.is_(None), Outbox.parked_at.is_(None), Outbox.not_before <= func.now())
    age = func.extract("epoch", func.now() - func.min(Outbox.not_before))
    count, oldest = db.execute(select(func.count(), age).where(*due)).one()
    parked = db.scalar(select(func.count()).where(Outbox.parked_at.is_not(None)))
    return count, float(oldest or 0), parked or 0
