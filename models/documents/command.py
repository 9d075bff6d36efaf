"""Documents of commands, and of what waits for an approval."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, for_users, of

if TYPE_CHECKING:
    from certline.models.states import CommandStatus, CommandType


class CommandDocument(Document):
    """A command."""

    id: str
    type: CommandType
    status: CommandStatus
    subject: str | None
    requested_by: str
    source: str
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None
    trace_id: str | None
    not_before: datetime = for_users()
    claimed: str | None = for_users()


class ApprovalDocument(Document):
    """Something that needs an approval; for a held command, `id` is the command's."""

    id: str
    kind: str = of("guard")
    request: str
    requested_by: str
    claimed: str | None
    requested_at: datetime
    approved: bool | None
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
