"""Consumer of several RabbitMQ queues, which acks each message only after its handler has returned."""

from collections import deque
from collections.abc import Callable, Mapping

from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic

from certline.producers.messaging.delivery import Delivery, delivery_of
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.shipment import WireDownError

# If a handler raises, neither its message nor those prefetched behind it are acked.
Handler = Callable[[Delivery], None]

# Messages prefetched per queue. Kept low because of memory: a message may have 16 MiB (RabbitMQ 4; 128 MiB
# before).
PREFETCH = 10


class Listener:
    """A consumer of several queues over one connection, used by one thread."""

    def __init__(self, wire: RabbitWire, handlers: Mapping[str, Handler]) -> None:
        self._wire = wire
        self._handlers = handlers
        self._channel: BlockingChannel | None = None
        # (delivery tag, delivery), at most PREFETCH of each queue. Collected first and handled outside pika's
        # dispatch, which would not return as long as messages arrive.
        self._arrived: deque[tuple[int, Delivery]] = deque()

    def open(self) -> None:
        """Declare our exchanges and queues, and start consuming. Raises WireDownError."""
        self._wire.open()
        try:
            self._channel = self._wire.channel()
            self._channel.basic_qos(prefetch_count=PREFETCH)
            for queue in self._handlers:
                self._channel.basic_consume(queue, self._noting(queue))
        except (AMQPError, OSError) as error:
            raise self._down(repr(error)) from error

    def wait(self, seconds: float) -> None:
        """Wait up to `seconds` for messages and handle those that arrived.

        Raises WireDownError if the channel or a consumer is lost, and whatever a handler raises.
        """
        assert self._channel is not None, "open() comes first"  # noqa: S101  # a bug of ours
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
        """Disconnect; RabbitMQ puts messages that were not acked back into their queues."""
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
