"""Message broker: RabbitMQ, hardened against messages that Dramatiq 2.2 loses or misroutes, or in memory.

The hardened broker overrides private hooks of Dramatiq 2.2 (docs/decisions/hardened-dramatiq.md);
tests/unit/test_dramatiq_hooks.py fails if one of them is renamed.
"""

import json
import logging
import math
import random
import struct
from collections.abc import Sequence
from itertools import count
from typing import Any

import dramatiq
import pika.data
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import dq_name, xq_name
from dramatiq.encoder import JSONEncoder
from dramatiq.errors import ConnectionClosed, DecodeError
from pika.exceptions import AMQPError, ChannelClosedByBroker

from certline.models.commands.envelope import LARGEST
from certline.models.csr.key_search import is_crowded
from certline.models.settings import Settings
from certline.workers.process.middleware import middleware
from certline.workers.process.middleware.retries import due_by_our_clock

log = logging.getLogger(__name__)

# Parameters of each connection; times are in seconds. Without blocked_connection_timeout, a disk or memory
# alarm in RabbitMQ would block a publishing thread indefinitely.
CONNECTION = "heartbeat=30&blocked_connection_timeout=60&connection_attempts=3&retry_delay=1&socket_timeout=10"
# The same if there are other nodes to go to: a node that is unreachable is given up within 10 seconds. The kernel
# gives up a connection whose other end is gone (a dead machine, a cut network), heartbeats one to a frozen server
# (pika takes up to twice their interval and 10 s). A connection attempt gets 3 s for TCP and 5 s for all of it.
CLUSTER_CONNECTION = (
    "heartbeat=5&blocked_connection_timeout=60&connection_attempts=2&retry_delay=1&socket_timeout=3"
    "&stack_timeout=5&tcp_options="
    "{'TCP_KEEPIDLE':3,'TCP_KEEPINTVL':2,'TCP_KEEPCNT':2,'TCP_USER_TIMEOUT':7000}"
)

# Message options accepted from the wire, with their types. All others are dropped: they could call any actor
# (`pipe_target`, `on_success`) or lose the message (`max_retries: "abc"`).
WIRE_OPTIONS: dict[str, tuple[type, ...]] = {
    "eta": (int, float),
    "retries": (int,),
    "requeue_timestamp": (int, float),
}

# Delivery limit of quorum queues that give no message up. Not -1: RabbitMQ 3.10 reads that as "after the first
# delivery".
NO_LIMIT = 1_000_000

# Bytes of a work message: a whole command of another system, and what Dramatiq puts around it.
LARGEST_MESSAGE = LARGEST + 16 * 1024

# Exceptions that decoding invalid bytes into dates, decimals, structs or deeply nested tables can raise.
UNREADABLE = (
    ValueError,
    ArithmeticError,
    OSError,
    LookupError,
    RecursionError,
    struct.error,
    AMQPError,
)
_read_table = pika.data.decode_table


def make_broker(settings: Settings) -> dramatiq.Broker:
    """Return the RabbitMQ broker if `CERTLINE_RABBITMQ_URL` is set, otherwise one in this process's memory."""
    dramatiq.set_encoder(DiscreetEncoder())
    if settings.rabbitmq_url is None:
        return StubBroker(middleware=middleware(), fail_fast_default=False)
    survive_odd_headers()
    return HardenedBroker(
        url=connection_urls(settings.rabbitmq_urls), quorum=settings.queue_type == "quorum"
    )


def connection_urls(urls: Sequence[str]) -> list[str]:
    """Return the URLs of all nodes with our connection parameters."""
    return [
        connection_url(url, CONNECTION if len(urls) == 1 else CLUSTER_CONNECTION) for url in urls
    ]


def connection_url(url: str, parameters: str = CONNECTION) -> str:
    """Return an `amqp://` URL with our connection parameters added, except those that it sets itself."""
    address, _, own = url.strip().partition("?")
    named = {part.partition("=")[0] for part in own.split("&")}
    ours = [part for part in parameters.split("&") if part.partition("=")[0] not in named]
    return f"{address}?{'&'.join([*filter(None, [own]), *ours])}"


def survive_odd_headers() -> None:
    """Patch pika, for the whole process, to decode a header table that it cannot read as an empty one.

    Otherwise such headers end pika's connection: a timestamp in milliseconds, where AMQP has seconds (year
    57868), or tables nested a thousand deep. RabbitMQ would deliver the message again after each reconnect,
    and the queue would be blocked.
    """
    pika.data.decode_table = _decode_table


def _decode_table(encoded: bytes, offset: int) -> tuple[dict[str, Any], int]:
    try:
        table: tuple[dict[str, Any], int] = _read_table(encoded, offset)
    except UNREADABLE:
        # A table begins with its length in bytes (AMQP 0-9-1, 4.2.5.5), so the rest of it can be skipped.
        (length,) = struct.unpack_from(">I", encoded, offset)
        return {}, offset + 4 + length
    return table


class DiscreetEncoder(JSONEncoder):
    """Dramatiq's JSON encoder with errors that omit the body: errors are logged, and a body may hold secrets."""

    def decode(self, data: bytes) -> dict[str, Any]:
        """Return the fields of a message. Raises DecodeError if the body is not JSON in UTF-8, or is too large.

        A body of 16 MiB can become 400 MiB of values, of which a worker would prefetch several.
        """
        if len(data) > LARGEST_MESSAGE or is_crowded(data):
            raise DecodeError("the body is larger than any message of ours", b"", None)
        try:
            fields: dict[str, Any] = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):  # the latter for JSON nested too deeply
            raise DecodeError("the body is not JSON in UTF-8", b"", None) from None
        return fields


class HardenedConsumer(_RabbitmqConsumer):
    """Consumer that acknowledges or rejects a message only on the channel that delivered it."""

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a message. A stale one is skipped; RabbitMQ delivers it again."""
        if self._is_ours(message):
            super().ack(message)

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter a message. A stale one is skipped; RabbitMQ delivers it again."""
        if self._is_ours(message):
            super().nack(message)

    def __next__(self) -> MessageProxy | None:
        try:
            message = super().__next__()
        except StopIteration:
            # RabbitMQ cancelled the consumer (queue deleted, consumer time-out). Reported as a closed
            # connection, since Dramatiq then also drops the delayed messages that it holds in memory;
            # otherwise each would run twice, because RabbitMQ delivers them again.
            raise ConnectionClosed("RabbitMQ cancelled the consumer") from None
        if message is None:
            return None
        message.came_from = self  # compared by _is_ours and by SkipStale
        fault = cleanse(message._message, self.queue_name)  # noqa: SLF001  # no public name
        if fault is None:
            return message  # type: ignore[no-any-return]
        log.warning("message.malformed", extra={"queue": self.queue_name, "why": fault})
        message.fail()
        self.nack(message)
        return None

    def close(self) -> None:
        """Close the channel and the connection. Dramatiq leaves the latter open if RabbitMQ closed the former."""
        try:
            super().close()
        finally:
            if self.connection.is_open:
                self.connection.close()

    def _is_ours(self, message: MessageProxy) -> bool:
        # Delivery tags start at 1 on every channel, so a tag of an old channel may refer to another message.
        if getattr(message, "came_from", self) is self:
            return True
        log.warning("message.stale", extra={"delivery": message.message_id})
        return False


def cleanse(message: dramatiq.Message[Any], queue_name: str) -> str | None:
    """Validate a message from the wire. Returns the fault as text, or None if the message is usable.

    Modifies the message: options outside WIRE_OPTIONS are dropped, and its queue is set to `queue_name`,
    the queue that delivered it.
    """
    if not isinstance(message.actor_name, str) or not isinstance(message.message_id, str):
        return "actor_name and message_id must be strings"
    if not isinstance(message.kwargs, dict) or not isinstance(message.options, dict):
        return "kwargs and options must be objects"
    stamp = message.message_timestamp
    if not _is_number(stamp, (int, float)):
        return "message_timestamp must be a number"
    options = {
        name: message.options[name]
        for name, kinds in WIRE_OPTIONS.items()
        if _is_number(message.options.get(name), kinds)
    }
    # Only messages of a delay queue have an `eta`; elsewhere it would make Dramatiq delay a message.
    if not queue_name.endswith(".DQ"):
        options.pop("eta", None)
    elif "eta" in options and "requeue_timestamp" in options:
        options["eta"] = due_by_our_clock(options["eta"], options["requeue_timestamp"])
    # Message is a frozen dataclass, and Dramatiq has no hook for changing it before it is used.
    object.__setattr__(message, "options", options)
    object.__setattr__(message, "queue_name", queue_name)
    return None


def _is_number(value: object, kinds: tuple[type, ...]) -> bool:
    # Python's JSON parser accepts NaN and Infinity, and a negative `retries` would add to the retry limit.
    return (
        isinstance(value, int | float)
        and isinstance(value, kinds)
        and not isinstance(value, bool)
        and 0 <= value < math.inf
    )


class HardenedBroker(RabbitmqBroker):
    """RabbitMQ broker with publisher confirms, mandatory routing and dead letters that never expire."""

    def __init__(self, *, url: list[str], quorum: bool = False) -> None:
        self.quorum = quorum
        self._nodes: list[pika.URLParameters] = []
        self._turns = count(random.randrange(len(url)))  # noqa: S311  # nothing secret
        super().__init__(url=url, confirm_delivery=True, middleware=middleware())

    @property
    def parameters(self) -> list[pika.URLParameters]:
        """The nodes in the order in which the next connection tries them; each one begins with another node.

        So connections are spread over all nodes, and who loses one, or gets no answer on it, goes to another node
        even if the first one still accepts connections.
        """
        first = next(self._turns) % len(self._nodes)
        return self._nodes[first:] + self._nodes[:first]

    @parameters.setter
    def parameters(self, nodes: list[pika.URLParameters]) -> None:
        self._nodes = nodes

    @property
    def has_other_nodes(self) -> bool:
        """True if there is another node to go to when one fails."""
        return len(self._nodes) > 1

    @property
    def consumer_class(self) -> type[HardenedConsumer]:
        """Consumer class that Dramatiq instantiates for each queue."""
        return HardenedConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """Return a consumer, and close the connection that declared its queue: it would answer no heartbeats."""
        consumer = super().consume(queue_name, prefetch, timeout)
        del self.connection
        return consumer

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)
        if self.quorum:
            arguments |= {
                "x-queue-type": "quorum",
                "x-overflow": "reject-publish",
                "x-dead-letter-strategy": "at-least-once",
                "x-delivery-limit": 20,
            }
        return arguments

    def _declare_dq_queue(self, queue_name: str) -> Any:
        arguments = self._build_queue_arguments(queue_name)
        if self.quorum:
            # A delayed message is redelivered at every restart without any fault of its own, so it should
            # never be dead-lettered.
            arguments["x-delivery-limit"] = NO_LIMIT
        return self.channel.queue_declare(
            queue=dq_name(queue_name), durable=True, arguments=arguments
        )

    def _declare_xq_queue(self, queue_name: str) -> Any:
        # No TTL, unlike Dramatiq's 7 days: a dead letter is kept until an operator decides about it.
        name = xq_name(queue_name)
        if not self.quorum:
            return self.channel.queue_declare(queue=name, durable=True, arguments={})
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        try:
            # RabbitMQ 4 has a limit of 20 unless another one is set, and drops a dead letter beyond it.
            limited = arguments | {"x-delivery-limit": NO_LIMIT}
            return self.channel.queue_declare(queue=name, durable=True, arguments=limited)
        except ChannelClosedByBroker as refusal:
            if (
                refusal.reply_code != 406
            ):  # AMQP's "precondition failed": declared by an earlier version
                raise
            del self.channel
            return self.channel.queue_declare(queue=name, durable=True, arguments=arguments)
