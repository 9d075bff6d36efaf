"""Document of a dead letter."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, for_users, made

if TYPE_CHECKING:
    from certline.models import DeadLetterStatus


class DeadLetterDocument(Document):
    """A dead letter, without its message."""

    id: str
    source: str
    status: DeadLetterStatus
    reason: str
    command_id: str | None
    message_id: str | None = made(lambda row: row.message_id or None)
    attempts: int
    sha256: str
    received_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    properties: dict[str, Any] = for_users()
