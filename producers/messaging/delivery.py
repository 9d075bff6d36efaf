"""A message as RabbitMQ delivered it, in a form that can be stored in Postgres."""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pika import BasicProperties
from pika.spec import Basic

from certline.models.csr.private_key import NOTICE, holds_private_key
from certline.models.events.trace_context import valid_traceparent

# Limits for stored properties and headers: characters of a string, entries of a table or list, levels of
# nesting. Well-meaning senders stay far below.
LONGEST, MOST, DEEPEST = 1_000, 50, 5
PROPERTIES = (
    "content_type",
    "content_encoding",
    "message_id",
    "correlation_id",
    "reply_to",
    "type",
    "user_id",
    "app_id",
    "timestamp",
    "expiration",
    "headers",
)
SECRET = re.compile(r"passw|secret|token|credential|authorization", re.IGNORECASE)


@dataclass(frozen=True)
class Delivery:
    """A message with its metadata. `properties`: its AMQP properties, exchange, routing key and size in bytes,
    made storable in a JSON column.
    """

    queue: str
    redelivered: bool
    properties: dict[str, Any]
    body: bytes

    @property
    def message_id(self) -> str:
        """The message id set by the sender; empty without one."""
        return str(self.properties.get("message_id", ""))

    @property
    def user_id(self) -> str | None:
        """The RabbitMQ user who sent the message; the broker rejects a `user_id` that is not the sender's own."""
        return self.properties.get("user_id")

    @property
    def traceparent(self) -> str | None:
        """The trace that the sender names in a header, if it is valid."""
        return valid_traceparent(self.properties.get("headers", {}).get("traceparent"))

    @property
    def deaths(self) -> list[dict[str, Any]]:
        """RabbitMQ's `x-death` entries: why and where the message was dead-lettered, the latest first."""
        told = self.properties.get("headers", {}).get("x-death", [])
        return (
            [death for death in told if isinstance(death, dict)] if isinstance(told, list) else []
        )


def delivery_of(
    queue: str, method: Basic.Deliver, properties: BasicProperties, body: bytes
) -> Delivery:
    """Return a delivery made from the arguments of pika's consumer callback."""
    given = {name: getattr(properties, name) for name in PROPERTIES}
    kept = {name: storable(value) for name, value in given.items() if value is not None}
    if not isinstance(kept.get("headers", {}), dict):
        del kept["headers"]
    published = {
        "exchange": storable(method.exchange),
        "routing_key": storable(method.routing_key),
        "redelivered": bool(method.redelivered),
        "bytes": len(body),
    }
    return Delivery(queue, bool(method.redelivered), {**kept, **published}, body)


def storable(value: object, depth: int = 0) -> Any:
    """Return an AMQP value for a JSON column: size limited, secrets masked, nothing that Postgres can't store."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | str() if holds_private_key(value):
            return NOTICE
        case bytes():
            return storable(value.decode("utf-8", "backslashreplace"))
        case str():
            # Postgres' jsonb takes neither NUL characters nor lone surrogates.
            sound = value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
            return sound.decode()[:LONGEST]
        case datetime():
            return value.isoformat()
        case dict() | list() if depth >= DEEPEST:
            return "…"
        case dict():
            return {
                str(storable(name)): "***"
                if SECRET.search(str(name))
                else storable(inner, depth + 1)
                for name, inner in list(value.items())[:MOST]
            }
        case list():
            kept = [storable(inner, depth + 1) for inner in value[:MOST]]
            # The lines of a key; only the first ones tell that they are one's.
            return [NOTICE] if NOTICE in kept else kept
        case _:
            return storable(str(value))
