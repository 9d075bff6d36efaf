"""JSON documents of webhooks and deliveries; none contains a secret."""

from typing import Any

from certline.cli.ui.documents import instant
from certline.models import Command, CommandStatus, Webhook


def webhook_document(hook: Webhook) -> dict[str, Any]:
    """Return a webhook, without its secret."""
    return {
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "allow_private": hook.allow_private,
        "status": hook.status.value,
        "status_reason": hook.status_reason,
        "failures": hook.failures,
        "resting_until": instant(hook.resting_until),
        "created_by": hook.created_by,
        "created_at": instant(hook.created_at),
    }


def delivery_document(delivery: Command) -> dict[str, Any]:
    """Return a delivery of an event to a webhook; its id is that of its command."""
    event = delivery.payload["event"]
    return {
        "id": delivery.id,
        "webhook_id": delivery.subject,
        "event_id": event["id"],
        "event_type": event["type"],
        "event_subject": event.get("subject"),
        "status": delivery.status.value,
        "attempts": delivery.attempts,
        "created_at": instant(delivery.created_at),
        "next_try_at": instant(delivery.not_before)
        if delivery.status is CommandStatus.QUEUED
        else None,
        "finished_at": instant(delivery.finished_at),
        "error": delivery.error,
    }
