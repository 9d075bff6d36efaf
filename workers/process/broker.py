"""The broker: RabbitMQ, hardened against what Dramatiq 2.2 loses or misroutes, or in memory.

`make_broker` is the one seam between the two. The hardened one overrides private hooks of
Dramatiq 2.2 (docs/decisions/hardened-dramatiq.md); tests/unit/test_dramatiq_hooks.py watches them.
"""

import json
import logging
import math
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.brokers.stub import StubBroker
from dramatiq.common import dq_name, xq_name
from dramatiq.encoder import JSONEncoder
from dramatiq.errors import ConnectionClosed, DecodeError

from certline.models.settings import Settings
from certline.workers.process.headers import survive_odd_headers
from certline.workers.process.middleware import middleware

log = logging.getLogger(__name__)

# What RabbitMQ is told for each connection, in seconds. Without the blocked time-out, a disk or
# memory alarm would hold a publishing thread for ever.
CONNECTION = "heartbeat=30&blocked_connection_timeout=60&connection_attempts=3&retry_delay=1&socket_timeout=10"

# The options that a message may carry over the wire; whatever else it says is dropped, for it
# could call any actor (`pipe_target`, `on_success`) or lose the message (`max_retries: "abc"`).
WIRE_OPTIONS: dict[str, tuple[type, ...]] = {
    "eta": (int, float),
    "retries": (int,),
    "requeue_timestamp": (int, float),
}


def make_broker(settings: Settings) -> dramatiq.Broker:
    """RabbitMQ where `CERTLINE_RABBITMQ_URL` names one; else in memory, within this process."""
    dramatiq.set_encoder(DiscreetEncoder())
    if settings.rabbitmq_url is None:
        return StubBroker(middleware=middleware(), fail_fast_default=False)
    survive_odd_headers()
    return HardenedBroker(
        url=[connection_url(url) for url in settings.rabbitmq_urls],
        quorum=settings.queue_type == "quorum",
    )


def connection_url(url: str) -> str:
    """An `amqp://` URL with our time-outs, but for those that it brings itself."""
    address, _, own = url.strip().partition("?")
    named = {part.partition("=")[0] for part in own.split("&")}
    ours = [part for part in CONNECTION.split("&") if part.partition("=")[0] not in named]
    return f"{address}?{'&'.join([*filter(None, [own]), *ours])}"


class DiscreetEncoder(JSONEncoder):
    """Dramatiq's JSON, whose errors don't repeat the body: they are logged, and it may hold secrets."""

    def decode(self, data: bytes) -> dict[str, Any]:
        """The fields of a message. Raises DecodeError."""
        try:
            fields: dict[str, Any] = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            raise DecodeError("the body is not JSON in UTF-8", b"", None) from None
        return fields


class HardenedConsumer(_RabbitmqConsumer):
    """A consumer that settles a message only on the channel that delivered it."""

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge; a stale message is left to RabbitMQ, which delivers it again."""
        if self._is_ours(message):
            super().ack(message)

    def nack(self, message: MessageProxy) -> None:
        """Dead-letter; a stale message is left to RabbitMQ, which delivers it again."""
        if self._is_ours(message):
            super().nack(message)

    def __next__(self) -> MessageProxy | None:
        try:
            message = super().__next__()
        except StopIteration:
            # RabbitMQ cancelled the consumer (queue deleted, consumer time-out). As a closed
            # connection it also empties the delays in memory, which else would fire twice.
            raise ConnectionClosed("RabbitMQ cancelled the consumer") from None
        if message is None:
            return None
        message.came_from = self
        fault = cleanse(message._message, self.queue_name)  # noqa: SLF001  # it has no other name
        if fault is None:
            return message  # type: ignore[no-any-return]
        log.error("malformed message on %s goes to the dead letters: %s", self.queue_name, fault)
        message.fail()
        self.nack(message)
        return None

    def close(self) -> None:
        """Close the connection too, where RabbitMQ has closed the channel: Dramatiq leaves it open."""
        try:
            super().close()
        finally:
            if self.connection.is_open:
                self.connection.close()

    def _is_ours(self, message: MessageProxy) -> bool:
        # Delivery tags start again at 1 on every channel: an old tag may name another message.
        if getattr(message, "came_from", self) is self:
            return True
        log.warning("stale delivery of %s is not settled", message.message_id)
        return False


def cleanse(message: dramatiq.Message[Any], queue_name: str) -> str | None:
    """Hold a message from the wire to its types; answers what is wrong with it, or None.

    Options outside WIRE_OPTIONS are dropped, and the queue is the one it really came from.
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
    if not queue_name.endswith(".DQ"):
        options.pop("eta", None)
    # The message is frozen; stock Dramatiq gives no other place to mend it before it is used.
    object.__setattr__(message, "options", options)
    object.__setattr__(message, "queue_name", queue_name)
    return None


def _is_number(value: object, kinds: tuple[type, ...]) -> bool:
    # JSON as Python reads it knows NaN and Infinity; a negative count of retries would never end.
    return (
        isinstance(value, int | float)
        and isinstance(value, kinds)
        and not isinstance(value, bool)
        and 0 <= value < math.inf
    )


class HardenedBroker(RabbitmqBroker):
    """RabbitMQ with confirms, mandatory routing and dead letters that stay."""

    def __init__(self, *, url: list[str], quorum: bool = False) -> None:
        self.quorum = quorum
        super().__init__(url=url, confirm_delivery=True, middleware=middleware())

    @property
    def consumer_class(self) -> type[HardenedConsumer]:
        """Our consumer, where Dramatiq would take its own."""
        return HardenedConsumer

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
            # Waiting is no fault, so a delay is never dead-lettered. Not -1: RabbitMQ 3.10 takes
            # that for "after the first delivery".
            arguments["x-delivery-limit"] = 1_000_000
        return self.channel.queue_declare(
            queue=dq_name(queue_name), durable=True, arguments=arguments
        )

    def _declare_xq_queue(self, queue_name: str) -> Any:
        # No TTL: a dead letter stays till somebody decides.
        arguments = {"x-queue-type": "quorum"} if self.quorum else {}
        return self.channel.queue_declare(
            queue=xq_name(queue_name), durable=True, arguments=arguments
        )
