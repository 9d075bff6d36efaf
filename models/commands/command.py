"""Commands: who asked for what, when, and how it ended. An accepted command is a row."""

import hashlib
import json
import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value
from certline.models.database.session import clock
from certline.models.events.outbox import emit_wake_up
from certline.models.validation import BadCommandError


class CommandType(StrEnum):
    """What can be asked for. FETCH, RECONCILE, IMPORT_BATCH, HOOK and WEBHOOK are the line's own; nobody
    outside sends them.
    """

    SYNC = "sync"
    ORDER = "order"
    POLL = "poll"
    FETCH = "fetch"
    RECONCILE = "reconcile"
    RENEW = "renew"
    REISSUE = "reissue"
    REVOKE = "revoke"
    IMPORT = "import"
    IMPORT_BATCH = "import_batch"
    CANCEL = "cancel"
    DELETE = "delete"
    HOOK = "hook"
    WEBHOOK = "webhook"


# Steps that an order has at most one of at a time: the sweep and a person can ask as often as they like.
ONE_AT_A_TIME = frozenset({CommandType.POLL, CommandType.FETCH, CommandType.RECONCILE})


class CommandStatus(StrEnum):
    """How far a command has come."""

    QUEUED = "queued"  # waits for its turn, or for `not_before`
    RUNNING = "running"  # a worker is at it, or what it started goes on
    DONE = "done"
    FAILED = "failed"
    HELD = "held"  # waits for a licence
    REVIEW = "review"  # a person decides


OPEN = (CommandStatus.QUEUED, CommandStatus.RUNNING)
ENDED = frozenset({CommandStatus.DONE, CommandStatus.FAILED})

# A command whose workers die with it again and again is stopped after this many starts.
MOST_RESTARTS = 10


class OtherCommandError(Exception):
    """A command id came twice, with another type or payload the second time."""


class Command(Base):
    """One thing that somebody asked of the line; its id is the idempotency key."""

    __tablename__ = "command"
    __table_args__ = (
        Index(
            "command_open_step",
            "type",
            "subject",
            unique=True,
            postgresql_where=text(
                "type IN ('poll', 'fetch', 'reconcile') AND status IN ('queued', 'running')"
            ),
        ),
        Index("command_status_due", "status", "not_before"),
    )

    id: Mapped[str] = mapped_column(UUID(as_uuid=False), primary_key=True)
    type: Mapped[CommandType] = mapped_column(stored_by_value(CommandType))
    subject: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    payload_sha256: Mapped[str]
    requested_by: Mapped[str]
    source: Mapped[str]
    correlation_id: Mapped[str]
    status: Mapped[CommandStatus] = mapped_column(
        stored_by_value(CommandStatus), default=CommandStatus.QUEUED
    )
    attempts: Mapped[int] = mapped_column(default=0)
    # Starts since the last end: a redelivery found it running. Small, unless workers die of it.
    restarts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())

    def __repr__(self) -> str:
        return f"Command({self.type!s}, {self.id}, {self.status!s})"


def accept(
    db: Session,
    kind: CommandType,
    payload: dict[str, Any],
    *,
    requested_by: str,
    source: str,
    command_id: str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
    after: timedelta = timedelta(0),
) -> tuple[Command, bool]:
    """Record a command with the outbox row that will wake a worker; answers (command, is it new).

    The same id again, or a second open poll or fetch of one subject, answers the first one.
    Raises OtherCommandError where the same id comes with another type or payload, and
    BadCommandError for an id that is no UUID.
    """
    identity = known_id(command_id or str(uuid.uuid4()))
    added = db.scalar(
        insert(Command)
        .values(
            id=identity,
            type=kind,
            subject=subject,
            payload=payload,
            payload_sha256=digest_of(payload),
            requested_by=requested_by,
            source=source,
            correlation_id=correlation_id or identity,
            not_before=func.now() + after,
        )
        .on_conflict_do_nothing()
        .returning(Command.id)
    )
    if added is not None:
        command = db.get_one(Command, added)
        emit_wake_up(db, command.type, command.id, after=after)
        return command, True
    first = db.get(Command, identity) or open_step(db, kind, subject)
    if first is None:  # it ended between the insert and the look: ask once more
        return accept(
            db,
            kind,
            payload,
            requested_by=requested_by,
            source=source,
            command_id=command_id,
            subject=subject,
            correlation_id=correlation_id,
            after=after,
        )
    if first.id == identity:
        require_same(first, kind, payload)
    return first, False


def require_same(first: Command, kind: CommandType, payload: dict[str, Any]) -> None:
    """Raise OtherCommandError where a command's id comes again with another type or payload."""
    if first.type is kind and first.payload_sha256 == digest_of(payload):
        return
    other = "payload" if first.type is kind else "type"
    raise OtherCommandError(
        f"command {first.id} was already used with another {other}; a new intent needs a new id"
    )


def known_id(text: str) -> str:
    """A command's id in its one spelling. Raises BadCommandError for what is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BadCommandError([f"id: {text!r} is not a UUID"]) from None


def digest_of(payload: dict[str, Any]) -> str:
    """Hex SHA-256 of a payload, whatever the order of its keys.

    A sealed password doesn't count: the same one is sealed differently each time.
    """
    plain = {name: value for name, value in payload.items() if not name.endswith("_sealed")}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def open_step(db: Session, kind: CommandType, subject: str | None) -> Command | None:
    """The open command of that type for that subject."""
    return db.scalars(
        select(Command).where(
            Command.type == kind, Command.subject == subject, Command.status.in_(OPEN)
        )
    ).first()


def claim(db: Session, command_id: str) -> Command | None:
    """Start a run of a command that is due; None where there is nothing to do (ack and go)."""
    claimed = db.scalar(
        update(Command)
        .where(
            Command.id == command_id,
            or_(
                Command.status == CommandStatus.RUNNING,
                (Command.status == CommandStatus.QUEUED) & (Command.not_before <= func.now()),
            ),
        )
        .values(
            status=CommandStatus.RUNNING,
            attempts=Command.attempts + 1,
            restarts=case((Command.status == CommandStatus.RUNNING, Command.restarts + 1), else_=0),
            started_at=func.coalesce(Command.started_at, func.now()),
            touched_at=func.now(),
        )
        .returning(Command.id)
    )
    return None if claimed is None else db.get_one(Command, claimed, populate_existing=True)


def hasten(db: Session, command: Command) -> None:
    """Make a waiting command due now."""
    command.not_before = clock(db)
    command.touched_at = command.not_before
    emit_wake_up(db, command.type, command.id)


def postpone(
    db: Session,
    command: Command,
    *,
    after: timedelta,
    why: str,
    costs_attempt: bool = False,
    afresh: bool = False,
) -> None:
    """Back to the queue until `after` has passed. Waiting for others costs no attempt; `afresh`:
    this one went well, so those that failed before it count no more.
    """
    command.status = CommandStatus.QUEUED
    command.error = why
    if afresh:
        command.attempts = 0
    elif not costs_attempt:
        command.attempts = max(0, command.attempts - 1)
    command.not_before = clock(db, after)
    emit_wake_up(db, command.type, command.id, after=after)


def finish(
    db: Session,
    command: Command,
    status: CommandStatus,
    *,
    result: dict[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """End a command, or park it as held or in review."""
    command.status = status
    command.error = error
    if result is not None:
        command.result = result
    command.touched_at = clock(db)
    command.finished_at = command.touched_at if status in ENDED else None
