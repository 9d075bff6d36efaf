"""Commands: each accepted command is a row that says who requested it, when, its status and its outcome."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Index, bindparam, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql.dml import ReturningUpdate

from certline.models.audit.identity import Identity
from certline.models.commands.command_row import NOTHING_PINNED, command_row
from certline.models.commands.kinds import ONE_AT_A_TIME
from certline.models.database.base import Base, stored_by_value
from certline.models.database.session import NOW, clock
from certline.models.events.trace_context import trace_id_of, traceparent_in
from certline.models.states import CommandStatus, CommandType

OPEN = (CommandStatus.QUEUED, CommandStatus.RUNNING)
ENDED = frozenset({CommandStatus.DONE, CommandStatus.FAILED})

# A command that keeps crashing its worker is stopped after this many restarts.
MOST_RESTARTS = 10


class OtherCommandError(Exception):
    """Error for a command id that was already used with another type or payload."""


def quoted(words: Iterable[str]) -> str:
    """Return words as a list of SQL literals."""
    return ", ".join(f"'{word}'" for word in words)


class Command(Base):
    """Accepted command; its id is the idempotency key."""

    __tablename__ = "command"
    __table_args__ = (
        # Enforces ONE_AT_A_TIME among open commands.
        Index(
            "command_open_step",
            "type",
            "subject",
            unique=True,
            postgresql_where=text(
                f"type IN ({quoted(ONE_AT_A_TIME)}) AND status IN ({quoted(OPEN)})"
            ),
        ),
        Index("command_status_due", "status", "not_before"),
        # `open_commands_of`, and the retention job.
        Index(
            "command_open_of_sender",
            "requested_by",
            postgresql_where=text(f"status IN ({quoted(OPEN)})"),
        ),
        # Whether there is any: the relay asks with each batch of events.
        Index("command_sent", "sender", postgresql_where=text("sender <> 'legacy'")),
        Index("command_ended", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
        # `certline command list` (`models.listing`): the filter's column, then the sort keys.
        Index("command_by_time", "created_at", "id"),
        Index("command_by_status", "status", "created_at", "id"),
        Index("command_by_type", "type", "created_at", "id"),
        Index("command_by_subject", "subject", "created_at", "id"),
        # Runs of one hook (`models.public.command`), whose name is in the payload.
        Index(
            "command_by_hook",
            text("(payload ->> 'name')"),
            "created_at",
            "id",
            postgresql_where=text("type = 'hook'"),
        ),
    )

    id: Mapped[str] = mapped_column(UUID(as_uuid=False), primary_key=True)
    type: Mapped[CommandType] = mapped_column(stored_by_value(CommandType))
    subject: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    payload_sha256: Mapped[str]
    requested_by: Mapped[str]
    # The name that the requester only claimed, if any.
    claimed: Mapped[str | None]
    source: Mapped[str]
    # Name of the other system that sent it (`models.senders`); None for what a user or certline itself requested.
    sender: Mapped[str | None]
    correlation_id: Mapped[str]
    # The trace that it belongs to, and what began it there; None for one that is older than this column.
    traceparent: Mapped[str | None]
    status: Mapped[CommandStatus] = mapped_column(
        stored_by_value(CommandStatus), default=CommandStatus.QUEUED
    )
    attempts: Mapped[int] = mapped_column(default=0)
    # Consecutive starts that found it running, i.e. redelivered. Small, unless it crashes its workers.
    restarts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    touched_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def requester(self) -> Identity:
        """Identity of the person, system or part that requested the command."""
        return Identity(self.requested_by, self.claimed)

    @property
    def trace_id(self) -> str | None:
        """Id of the trace that it belongs to: 32 hexadecimal digits."""
        return trace_id_of(self.traceparent)

    def __repr__(self) -> str:
        return f"Command({self.type!s}, {self.id}, {self.status!s})"


def accept(
    db: Session,
    kind: CommandType,
    payload: dict[str, Any],
    *,
    requested_by: Identity,
    source: str,
    command_id: str | None = None,
    subject: str | None = None,
    correlation_id: str | None = None,
    after: timedelta = timedelta(0),
    sender: str | None = None,
    pinned: Mapping[str, str] = NOTHING_PINNED,
) -> tuple[Command, bool]:
    """Record a command together with the outbox row that wakes a worker. Returns (command, whether it is new).

    Returns the existing command if the id is known, or if the kind is one of ONE_AT_A_TIME and the subject
    has an open one. A command that needs an approval is held, and wakes nobody.
    `after`: delay until the command is due; `sender`, `pinned`: see `command_row`. Raises
    OtherCommandError if the id was used with another type or payload, and BadCommandError if the id is not a UUID.
    """
    from certline.models.commands.approval import ask, guard_of_command, in_short, waiting_text
    from certline.models.commands.idempotency import known_id
    from certline.models.commands.wake_up import emit_wake_up

    identity = known_id(command_id or str(uuid.uuid4()))
    row = command_row(
        identity,
        kind,
        payload,
        requested_by=requested_by,
        source=source,
        subject=subject,
        correlation_id=correlation_id or identity,
        sender=sender,
        pinned=pinned,
        traceparent=traceparent_in(db.info),
    )
    guard = guard_of_command(db, kind, requested_by)
    if guard is not None:
        row |= {"status": CommandStatus.HELD, "error": waiting_text(guard, requested_by)}
    first = None
    while first is None:  # again if the first command ended between the insert and the lookup
        added = db.scalars(
            insert(Command)
            .values(**row, not_before=func.now() + after)
            # Without a target: either the id or the index `command_open_step` may conflict.
            .on_conflict_do_nothing()
            .returning(Command)
        ).first()
        if added is not None and guard is None:
            emit_wake_up(db, added.type, added.id, after=after, traceparent=added.traceparent)
        elif added is not None and guard is not None:
            ask(db, guard, in_short(kind, subject, payload), requested_by, command_id=added.id)
        if added is not None:
            return added, True
        first = db.get(Command, identity) or open_step(db, kind, subject)
    if first.id == identity:
        require_same(first, kind, payload)
    return first, False


def require_same(first: Command, kind: CommandType, payload: dict[str, Any]) -> None:
    """Raise OtherCommandError if a command's id is used again with another type or payload."""
    from certline.models.commands.idempotency import digest_of

    if first.type is kind and first.payload_sha256 == digest_of(payload):
        return
    other = "payload" if first.type is kind else "type"
    raise OtherCommandError(
        f"command id {first.id} was already used with another {other}; a new request needs a new id"
    )


def open_step(db: Session, kind: CommandType, subject: str | None) -> Command | None:
    """Return the open command of that kind for that subject, or None."""
    return db.scalars(
        select(Command).where(
            Command.type == kind, Command.subject == subject, Command.status.in_(OPEN)
        )
    ).first()


def claim(db: Session, command_id: str) -> Command | None:
    """Claim a command that is due and mark it as running. Returns None if there is nothing to do."""
    command = db.scalars(_claiming(), {"own_id": command_id}).one_or_none()
    if command is not None:
        db.info[NOW] = command.touched_at  # saves `clock` its query
    return command


@cache
def _claiming() -> ReturningUpdate[Command]:
    """Return the statement that claims a command. It is built once, because every message runs it."""
    due = (Command.status == CommandStatus.QUEUED) & (Command.not_before <= func.now())
    return (
        update(Command)
        # Redelivered while running: its worker has probably died, so this one takes over.
        .where(Command.id == bindparam("own_id"), or_(Command.status == CommandStatus.RUNNING, due))
        .values(
            status=CommandStatus.RUNNING,
            attempts=Command.attempts + 1,
            restarts=case((Command.status == CommandStatus.RUNNING, Command.restarts + 1), else_=0),
            started_at=func.coalesce(Command.started_at, func.now()),
            touched_at=func.now(),
        )
        .returning(Command)
        .execution_options(synchronize_session=False, populate_existing=True)
    )


def hasten(db: Session, command: Command) -> None:
    """Make a queued command due now, and wake a worker."""
    from certline.models.commands.wake_up import emit_wake_up

    command.not_before = clock(db)
    command.touched_at = command.not_before
    emit_wake_up(db, command.type, command.id, traceparent=command.traceparent)


def postpone(
    db: Session,
    command: Command,
    *,
    after: timedelta,
    why: str,
    costs_attempt: bool = False,
    afresh: bool = False,
) -> None:
    """Put a command back into the queue until `after` has passed.

    The run counts as a failed attempt only with `costs_attempt`. `afresh`: the run made progress, so the
    failed attempts before it no longer count.
    """
    from certline.models.commands.wake_up import emit_wake_up

    command.status = CommandStatus.QUEUED
    command.error = why
    if afresh:
        command.attempts = 0
    elif not costs_attempt:
        # `claim` has counted this run already.
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
    """End a command, or park it as held or in review. A `result` of None keeps the stored one."""
    command.status = status
    command.error = error
    if result is not None:
        command.result = result
    command.touched_at = clock(db)
    command.finished_at = command.touched_at if status in ENDED else None
