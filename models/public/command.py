"""Commands as anybody may see them: a view without what a payload or a result may hold of secrets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, defer, mapped_column

from certline.models.audit.identity import Identity
from certline.models.database.base import PublicView, stored_by_value
from certline.models.events.trace_context import trace_id_of
from certline.models.states import CommandStatus, CommandType

# Literal, as in the conditions of the partial indexes.
IS_HOOK_RUN = text("type = 'hook'")
HAS_FAILED = text("type = 'hook' AND status <> 'done' AND error IS NOT NULL AND attempts > 0")


class PublicCommand(PublicView):
    """Command without its secrets, from the view `public_command` (migration 0033).

    `payload` has the fields that the view names, `result` is without the output of a hook's program.
    `hook`: the name of the hook, for a run of one.
    """

    __tablename__ = "public_command"

    id: Mapped[str] = mapped_column(UUID(as_uuid=False), primary_key=True)
    type: Mapped[CommandType] = mapped_column(stored_by_value(CommandType))
    subject: Mapped[str | None]
    hook: Mapped[str | None]
    payload: Mapped[dict[str, Any]]
    requested_by: Mapped[str]
    claimed: Mapped[str | None]
    source: Mapped[str]
    sender: Mapped[str | None]
    correlation_id: Mapped[str]
    traceparent: Mapped[str | None]
    status: Mapped[CommandStatus] = mapped_column(stored_by_value(CommandStatus))
    attempts: Mapped[int]
    restarts: Mapped[int]
    not_before: Mapped[datetime]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    touched_at: Mapped[datetime]

    @property
    def requester(self) -> Identity:
        """Identity of the person, system or part that requested the command."""
        return Identity(self.requested_by, self.claimed)

    @property
    def trace_id(self) -> str | None:
        """Id of the trace that it belongs to: 32 hexadecimal digits."""
        return trace_id_of(self.traceparent)


def public_commands(
    *,
    statuses: Sequence[str] = (),
    types: Sequence[str] = (),
    subject: str | None = None,
    requested_by: str | None = None,
) -> Select[PublicCommand]:
    """Return the query for commands, without their payloads.

    Webhook deliveries and the sending of notices are left out unless a type or a subject is named.
    """
    question = select(PublicCommand).options(defer(PublicCommand.payload, raiseload=True))
    if statuses:
        question = question.where(PublicCommand.status.in_(statuses))
    if types:
        question = question.where(PublicCommand.type.in_(types))
    elif subject is None:
        internal = (CommandType.WEBHOOK, CommandType.NOTIFY)
        question = question.where(PublicCommand.type.not_in(internal))
    if subject is not None:
        question = question.where(PublicCommand.subject == subject)
    if requested_by is not None:
        question = question.where(PublicCommand.requested_by == requested_by)
    return question


def public_hook_runs(
    *, hook: str | None = None, statuses: Sequence[str] = (), failed: bool = False
) -> Select[PublicCommand]:
    """Return the query for the runs of all hooks, or of one; `failed`: those whose last attempt failed."""
    question = select(PublicCommand).where(HAS_FAILED if failed else IS_HOOK_RUN)
    if hook is not None:
        question = question.where(PublicCommand.hook == hook)
    if statuses:
        question = question.where(PublicCommand.status.in_(statuses))
    return question


def public_deliveries(
    *, webhook: str | None = None, statuses: Sequence[str] = ()
) -> Select[PublicCommand]:
    """Return the query for the deliveries to all webhooks, or to one by its id, with their events."""
    question = select(PublicCommand).where(PublicCommand.type == CommandType.WEBHOOK)
    if webhook is not None:
        question = question.where(PublicCommand.subject == webhook)
    if statuses:
        question = question.where(PublicCommand.status.in_(statuses))
    return question
