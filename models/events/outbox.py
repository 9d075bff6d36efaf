"""The outbox: messages to be published, stored in the same transaction as the change that they report."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import BigInteger, Identity, Index, func, select, text, update
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.session import WAKE, clock
from certline.models.events.base import EventData, as_json
from certline.models.events.envelope import new_event, problems_of_event

log = structlog.get_logger()

# Id of the command that this thread is executing: the cause of every event emitted meanwhile.
_cause: ContextVar[str | None] = ContextVar("cause", default=None)

EVENTS = "certline.events"
COMMANDS = "certline.commands"
# The queue from which the ingress reads the commands of other systems.
INGRESS = "certline.ingress"

# A row that the broker keeps refusing is parked after this many tries, so that it does not delay others.
MOST_TRIES = 20


class Queue(StrEnum):
    """RabbitMQ's queues, one for each class of duration and risk: a revocation never waits behind an import."""

    ORDER = "certline.order"
    MANAGE = "certline.manage"
    POLL = "certline.poll"
    BULK = "certline.bulk"
    HOOK = "certline.hook"
    WEBHOOK = "certline.webhook"


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
        """The body as compact JSON, as it is published."""
        return json.dumps(self.body, separators=(",", ":")).encode()


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
    row = event_row(data, subject=subject, correlation_id=correlation_id)
    db.add(Outbox(**row, senders=sorted(senders)))
    db.info[WAKE] = True


def event_row(
    data: EventData, *, subject: str | None, correlation_id: str | None
) -> dict[str, Any]:
    """Return the outbox row of an event.

    An event that violates its documented schema is our bug. It is logged and published all the same: raising
    would roll back the change that the event reports.
    """
    kind = data.event_type
    event = new_event(kind, as_json(data), subject=subject)
    if correlation_id is not None:
        event["correlationid"] = correlation_id
    if (cause := _cause.get()) is not None:
        event["causationid"] = cause
    if problems := problems_of_event(event):
        log.error("event.not_as_documented", type=kind, problems=problems)
    return {
        "event_id": event["id"],
        "exchange": EVENTS,
        "routing_key": kind,
        "body": event,
        "mandatory": False,  # an event without any subscriber is not an error
    }


def send_last_event_again(db: Session, command_id: str) -> str | None:
    """Publish the last event about a command again, under the event's own id. Returns the event's type.

    Sets WAKE, so that the commit wakes the relay (`Database.transaction`).
    Returns None if there was no event yet, or the sweep has deleted it. An earlier rejection of the same id
    says nothing about this command.
    """
    last = db.scalars(
        select(Outbox)
        .where(
            # Literal SQL as in the index `outbox_correlation`: with a parameter in place of the
            # exchange's name, Postgres could not prove that the partial index applies.
            text("exchange = 'certline.events'"),
            text("body ->> 'correlationid' = :id").bindparams(id=command_id),
            Outbox.routing_key != "command.rejected",
        )
        .order_by(Outbox.id.desc())
        .limit(1)
        .with_for_update()
    ).first()
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


def claim_due(db: Session, limit: int) -> list[Outbox]:
    """Load and lock up to `limit` due rows, the oldest first; rows locked by another relay are skipped."""
    return list(
        db.scalars(
            select(Outbox)
            .where(
                Outbox.sent_at.is_(None),
                Outbox.parked_at.is_(None),
                Outbox.not_before <= func.now(),
            )
            .order_by(Outbox.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )


def mark_sent(db: Session, ids: list[int]) -> None:
    """Mark rows as sent: the broker has confirmed them."""
    db.execute(update(Outbox).where(Outbox.id.in_(ids)).values(sent_at=func.now()))


def mark_refused(db: Session, row: Outbox, why: str, *, again_after: timedelta) -> None:
    """Record that the broker refused a row: retry it after `again_after`, or park it after MOST_TRIES."""
    row.attempts += 1
    row.last_error = why
    if row.attempts >= MOST_TRIES:
        row.parked_at = clock(db)
    else:
        row.not_before = clock(db, again_after)
