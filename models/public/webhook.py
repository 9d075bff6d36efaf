"""Webhooks without their secrets, from a view."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import PublicView, stored_by_value
from certline.models.webhook import WebhookStatus


class PublicWebhook(PublicView):
    """Webhook without its secret, from the view `public_webhook` (migration 0033).

    `url` has scheme and host only, and `/…` for what follows: many receivers have a secret in the path.
    """

    __tablename__ = "public_webhook"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    allow_private: Mapped[bool]
    status: Mapped[WebhookStatus] = mapped_column(stored_by_value(WebhookStatus))
    status_reason: Mapped[str | None]
    failures: Mapped[int]
    resting_until: Mapped[datetime | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


def public_webhooks(db: Session) -> list[PublicWebhook]:
    """Load all webhooks without their secrets, the oldest first."""
    return list(db.scalars(select(PublicWebhook).order_by(PublicWebhook.id)))
