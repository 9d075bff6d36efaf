"""The outbox: what is to be published, written in the transaction that makes it true."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import BigInteger, Identity, Index, func, select, text, update
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.session import WAKE, clock
from certline.models.events.envelope import SOURCE, problems_of_event, schema_of

log = structlog.get_logger()

# The command that is being done: what happens meanwhile was caused by it.
_cause: ContextVar[str | None] = ContextVar("cause", default=None)

EVENTS = "certline.events"
COMMANDS = "certline.commands"
# The queue in which other systems' commands wait for an ingress.
INGRESS = "certline.ingress"

# Rows that cannot be published park after this many tries, so that they never hold up the others.
MOST_TRIES = 20


class Queue(StrEnum):
    """One queue for each class of slowness and risk: a revoke never waits behind an import."""

    ORDER = "certline.order"
    MANAGE = "certline.manage"
    POLL = "certline.poll"
    BULK = "certline.bulk"
    HOOK = "certline.hook"
    WEBHOOK = "certline.webhook"


QUEUE_OF = {
    "order": Queue.ORDER,
    "renew": Queue.ORDER,
    "reissue": Queue.ORDER,
    "revoke": Queue.MANAGE,
    "cancel": Queue.MANAGE,
    "delete": Queue.MANAGE,
    "poll": Queue.POLL,
    "fetch": Queue.POLL,
    "reconcile": Queue.POLL,
    "sync": Queue.BULK,
    "import": Queue.BULK,
    "import_batch": Queue.BULK,
    "hook": Queue.HOOK,
    "webhook": Queue.WEBHOOK,
}


class Outbox(Base):
    """A message that is to go out once `not_before` has come; kept a week as a replay log."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "outbox_due",
            "not_before",
            "id",
            postgresql_where=text("sent_at IS NULL AND parked_at IS NULL"),
        ),
        Index("outbox_sent", "sent_at", postgresql_where=text("sent_at IS NOT NULL")),
        Index(
            "outbox_correlation",
            text("(body ->> 'correlationid')"),
            postgresql_where=text("exchange = 'certline.events'"),
        ),
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "1000",
                "fillfactor": "80",
            }
        },
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    # Also the message's id on the wire: receivers recognise a second delivery by it.
    event_id: Mapped[str] = mapped_column(UUID(as_uuid=False), unique=True)
    exchange: Mapped[str]
    routing_key: Mapped[str]
    body: Mapped[dict[str, Any]]
    mandatory: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    parked_at: Mapped[datetime | None]

    @property
    def payload(self) -> bytes:
        """The body as it goes over the wire."""
        return json.dumps(self.body, separators=(",", ":")).encode()


def emit_wake_up(
    db: Session, command_type: str, command_id: str, *, after: timedelta = timedelta(0)
) -> None:
    """Have a worker woken for a command, at once or after a while."""
    # Without a time of its own it is due now, and goes into one statement with others.
    later = {"not_before": func.now() + after} if after else {}
    db.add(Outbox(**wake_up(command_type, command_id), **later))
    if not after:
        db.info[WAKE] = True


def wake_up(command_type: str, command_id: str) -> dict[str, Any]:
    """The row that has a worker woken. The message is Dramatiq's, and carries the id only."""
    message_id = str(uuid.uuid4())
    queue = QUEUE_OF[command_type]
    return {
        "event_id": message_id,
        "exchange": "",
        "routing_key": queue,
        "body": {
            "queue_name": queue,
            "actor_name": command_type,
            "args": [],
            "kwargs": {"command_id": command_id},
            "options": {},
            "message_id": message_id,
            "message_timestamp": int(datetime.now(UTC).timestamp() * 1000),
        },
        "mandatory": True,
    }


@contextmanager
def caused_by(command_id: str) -> Iterator[None]:
    """Whatever is emitted within was caused by this command."""
    before = _cause.set(command_id)
    try:
        yield
    finally:
        _cause.reset(before)


def emit_event(
    db: Session, kind: str, data: dict[str, Any], *, subject: str | None, correlation_id: str | None
) -> None:
    """Tell other systems that something happened: a CloudEvent 1.0 on `certline.events`."""
    db.add(Outbox(**told(kind, data, subject=subject, correlation_id=correlation_id)))
    db.info[WAKE] = True


def told(
    kind: str, data: dict[str, Any], *, subject: str | None, correlation_id: str | None
) -> dict[str, Any]:
    """The row that tells other systems that something happened.

    An event that is not as documented is a fault of ours, which tests find. It goes out as it is: what
    happened has happened, and must not be undone for the way it is told.
    """
    event_id = str(uuid.uuid4())
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": schema_of(kind),
        "data": data,
    }
    if subject is not None:
        event["subject"] = subject
    if correlation_id is not None:
        event["correlationid"] = correlation_id
    if (cause := _cause.get()) is not None:
        event["causationid"] = cause
    if problems := problems_of_event(event):
        log.error("event.not_as_documented", type=kind, problems=problems)
    return {
        "event_id": event_id,
        "exchange": EVENTS,
        "routing_key": kind,
        "body": event,
        "mandatory": False,  # nobody may be listening, and that is no fault
    }


def send_last_event_again(db: Session, command_id: str) -> str | None:
    """Have the last event about a command go out again, under its own id; answers its type.

    None where nothing has happened yet, or so long ago that the sweep has forgotten it. That the
    id was refused some other time is no news about the command.
    """
    last = db.scalars(
        select(Outbox)
        .where(
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


def claim_due(db: Session, limit: int) -> list[Outbox]:
    """Rows that are due, locked for this relay; rows that another relay holds are passed over."""
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
    """These rows are confirmed by the broker."""
    db.execute(update(Outbox).where(Outbox.id.in_(ids)).values(sent_at=func.now()))


def mark_refused(db: Session, row: Outbox, why: str, *, again_after: timedelta) -> None:
    """The broker refused this row: try later, or park it after MOST_TRIES."""
    row.attempts += 1
    row.last_error = why
    if row.attempts >= MOST_TRIES:
        row.parked_at = clock(db)
    else:
        row.not_before = clock(db, again_after)
