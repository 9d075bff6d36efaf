"""Whole commands that RabbitMQ delivers to workers again and again: they are no longer read."""

import json
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from certline.models.commands.redelivery import (
    MOST_REDELIVERIES,
    count_redelivery,
    message_digest,
)
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError


def work_digest(message: dramatiq.Message[Any]) -> str:
    """Return the digest under which the redeliveries of a work message are counted."""
    work = [message.message_id, message.actor_name, list(message.args), dict(message.kwargs)]
    return message_digest(message.queue_name, json.dumps(work, sort_keys=True))


def require_readable(context: WorkerContext) -> None:
    """Count a redelivery of the message that this thread works on. Raises RefusedMessageError after the most.

    A message that only names a command is not counted: `restarts` of that command are.
    """
    message = CurrentMessage.get_current_message()
    if message is None or not getattr(message, "redelivered", False):
        return
    if message.args or set(message.kwargs) == {"command_id"}:
        return
    digest = work_digest(message)
    # Committed before the command is read, since reading it may end this process.
    with context.database.transaction() as db:
        count = count_redelivery(db, digest)
    if count >= MOST_REDELIVERIES:
        raise RefusedMessageError(
            f"it was delivered again {MOST_REDELIVERIES} times without being acknowledged"
        )
