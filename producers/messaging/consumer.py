"""Listening to queues of RabbitMQ: a message is acked once its handler has returned, never before."""

from collections import deque
from collections.abc import Callable, Mapping

from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic

from certline.producers.messaging.delivery import Delivery, delivery_of
from certline.producers.messaging.publisher import RabbitWire, WireDownError

# A handler that raises has not taken its message, nor have those behind it been.
Handler = Callable[[Delivery], None]

# Messages of a queue that are held beforehand. A large one has 16 MiB (RabbitMQ 4), 128 before.
PREFETCH = 10


class Listener:
    """One thread that listens to several queues over one connection."""

    def __init__(self, wire: RabbitWire, handlers: Mapping[str, Handler]) -> None:
        self._wire = wire
        self._handlers = handlers
        self._channel: BlockingChannel | None = None
        # (delivery tag, delivery), at most PREFETCH of each queue. Not handled within pika's own
        # dispatch: that would go on for as long as messages come.
        self._arrived: deque[tuple[int, Delivery]] = deque()

    def open(self) -> None:
        """Declare everything that is ours, and begin. Raises WireDownError."""
        self._wire.open()
        try:
            self._channel = self._wire.channel()
            self._channel.basic_qos(prefetch_count=PREFETCH)
            for queue in self._handlers:
                self._channel.basic_consume(queue, self._noting(queue))
        except (AMQPError, OSError) as error:
            raise self._down(repr(error)) from error

    def wait(self, seconds: float) -> None:
        """Wait so long at most for messages, and handle those that came. Raises WireDownError, and
        what a handler raises.
        """
        assert self._channel is not None, "open() comes first"  # noqa: S101  # a fault of ours
        self._wire.tend(seconds)
        while self._arrived:
            tag, delivery = self._arrived.popleft()
            self._handlers[delivery.queue](delivery)
            try:
                self._channel.basic_ack(tag)
            except (AMQPError, OSError) as error:
                raise self._down(repr(error)) from error
        if not self._channel.is_open:
            raise self._down("RabbitMQ has closed the channel")
        if len(self._channel.consumer_tags) < len(self._handlers):
            raise self._down("RabbitMQ has cancelled a consumer; was its queue deleted?")

    def close(self) -> None:
        """Disconnect: what has not been acked goes back to its queue."""
        self._channel = None
        self._arrived.clear()
        self._wire.close()

    def _down(self, why: str) -> WireDownError:
        self.close()
        return WireDownError(f"RabbitMQ does not answer: {why}")

    def _noting(self, queue: str) -> Callable[..., None]:
        def note(
            _channel: BlockingChannel,
            method: Basic.Deliver,
            properties: BasicProperties,
            body: bytes,
        ) -> None:
            delivery = delivery_of(queue, method, properties, body)
            self._arrived.append((method.delivery_tag, delivery))

        return note
