"""Documents of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from certline.models.documents.projection import Document, of


class EventDocument(Document):
    """An audit entry."""

    id: int
    at: datetime
    who: str
    claimed: str | None
    what: str = of("type")
    subject: str
    why: str | None
    command_id: str | None
    data: dict[str, Any]


class BreakDocument(Document):
    """A place where the audit log was altered; `entry` is the number in the chain."""

    kind: str
    entry: int | None = of("seq")
    event_id: int | None
    message: str = of("text")
