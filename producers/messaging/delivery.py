"""One message as RabbitMQ delivered it, in words that can be stored."""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pika import BasicProperties
from pika.spec import Basic

# Of properties and headers: more than any system of good will sends.
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
    """A message and what RabbitMQ says of it. `properties` are those of AMQP, where it was published,
    and its size in bytes, fit for a JSON column.
    """

    queue: str
    redelivered: bool
    properties: dict[str, Any]
    body: bytes

    @property
    def message_id(self) -> str:
        """The id that the sender gave the message; empty without one."""
        return str(self.properties.get("message_id", ""))

    @property
    def user_id(self) -> str | None:
        """The RabbitMQ user who sent it: the broker refuses another one's."""
        return self.properties.get("user_id")

    @property
    def deaths(self) -> list[dict[str, Any]]:
        """How it came into the dead letters, the last time first (RabbitMQ's `x-death`)."""
        told = self.properties.get("headers", {}).get("x-death", [])
        return (
            [death for death in told if isinstance(death, dict)] if isinstance(told, list) else []
        )


def delivery_of(
    queue: str, method: Basic.Deliver, properties: BasicProperties, body: bytes
) -> Delivery:
    """What pika hands over, as a delivery."""
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
    """A value of an AMQP table for a JSON column: bounded, and without what Postgres can't store."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes():
            return storable(value.decode("utf-8", "backslashreplace"))
        case str():
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
            return [storable(inner, depth + 1) for inner in value[:MOST]]
        case _:
            return storable(str(value))
