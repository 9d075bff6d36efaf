"""Documents of webhooks and deliveries; none contains a secret."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document, made, of
from certline.models.states import CommandStatus

if TYPE_CHECKING:
    from certline.models import Command, WebhookStatus


class WebhookDocument(Document):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    allow_private: bool
    status: WebhookStatus
    status_reason: str | None
    failures: int
    resting_until: datetime | None
    created_by: str
    created_at: datetime


def _next_try(row: Command) -> datetime | None:
    """Return the time of the next try, or None if there will be none."""
    return row.not_before if row.status is CommandStatus.QUEUED else None


class DeliveryDocument(Document):
    """A delivery of an event to a webhook; its id is that of its command."""

    id: str
    webhook_id: str | None = of("subject")
    event_id: str = of("payload", "event", "id")
    event_type: str = of("payload", "event", "type")
    event_subject: str | None = of("payload", "event", "subject", default=None)
    status: CommandStatus
    attempts: int
    created_at: datetime
    next_try_at: datetime | None = made(_next_try)
    finished_at: datetime | None
    error: str | None
