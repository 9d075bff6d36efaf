"""Documents of webhooks and deliveries; none contains a secret."""

from pydantic import AliasPath, Field, ValidationInfo, field_validator

from certline.cli.ui.projection import Document, Instant
from certline.models import CommandStatus, WebhookStatus


class WebhookDocument(Document):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    allow_private: bool
    status: WebhookStatus
    status_reason: str | None
    failures: int
    resting_until: Instant | None
    created_by: str
    created_at: Instant


class DeliveryDocument(Document):
    """A delivery of an event to a webhook; its id is that of its command."""

    id: str
    webhook_id: str | None = Field(validation_alias="subject")
    event_id: str = Field(validation_alias=AliasPath("payload", "event", "id"))
    event_type: str = Field(validation_alias=AliasPath("payload", "event", "type"))
    event_subject: str | None = Field(
        None, validation_alias=AliasPath("payload", "event", "subject")
    )
    status: CommandStatus
    attempts: int
    created_at: Instant
    next_try_at: Instant | None = Field(validation_alias="not_before")
    finished_at: Instant | None
    error: str | None

    @field_validator("next_try_at")
    @classmethod
    def only_of_the_queued(cls, not_before: Instant | None, info: ValidationInfo) -> Instant | None:
        """Return the time of the next try, or None if there will be none."""
        return not_before if info.data["status"] is CommandStatus.QUEUED else None
