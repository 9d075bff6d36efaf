"""Wake-ups: the messages that have a worker run a command."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from certline.models.commands.kinds import KINDS
from certline.models.events.outbox import put_in_outbox
from certline.models.events.trace_context import current_traceparent
from certline.models.states import CommandType


def emit_wake_up(
    db: Session,
    kind: CommandType,
    command_id: str,
    *,
    after: timedelta = timedelta(0),
    traceparent: str | None = None,
) -> None:
    """Store the message that has a worker run a command, due now or after `after`.

    A message that is due soon wakes the relay at the commit (`put_in_outbox`). `traceparent`: see `wake_up`.
    """
    put_in_outbox(db, wake_up(kind, command_id, traceparent), after=after)


def wake_up(kind: CommandType, command_id: str, traceparent: str | None = None) -> dict[str, Any]:
    """Return the outbox row of a command's message: in Dramatiq's format, with the command id only.

    `traceparent`: what the message was caused by, for the relay's span; the current one if not given. The
    command's own is in its row.
    """
    message_id = str(uuid.uuid4())
    trace = traceparent or current_traceparent()
    queue = KINDS[kind].queue
    return {
        "event_id": message_id,
        "exchange": "",
        "routing_key": queue,
        "body": {
            "queue_name": queue,
            "actor_name": kind,
            "args": [],
            "kwargs": {"command_id": command_id},
            "options": {} if trace is None else {"traceparent": trace},
            "message_id": message_id,
            "message_timestamp": int(datetime.now(UTC).timestamp() * 1000),
        },
        "mandatory": True,
    }
