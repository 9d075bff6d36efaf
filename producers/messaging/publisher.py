"""Where the relay publishes: RabbitMQ, or the memory of this process."""

from typing import Protocol

import dramatiq
import pika
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed, DecodeError, QueueNotFound
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPChannelError,
    AMQPConnectionError,
    ChannelClosedByBroker,
    NackError,
    UnroutableError,
)

from certline.models.commands.payloads import PUBLIC
from certline.models.events.outbox import COMMANDS, EVENTS, INGRESS, Outbox, Queue
from certline.workers.process.broker import HardenedBroker


class WireDownError(Exception):
    """The broker does not answer: no row can go out now."""


class RowRefusedError(Exception):
    """The broker answers, and refused this row."""


class Wire(Protocol):
    """A way to publish outbox rows."""

    def open(self) -> None:
        """Connect, and declare what rows are sent to. Raises WireDownError."""

    def publish(self, row: Outbox) -> None:
        """Return once the broker has the row for sure. Raises WireDownError, RowRefusedError."""

    def tend(self) -> None:
        """Keep an idle connection alive, and notice one that has gone. Raises WireDownError."""

    def close(self) -> None:
        """Disconnect."""


class RabbitWire:
    """RabbitMQ: every publish is confirmed; work messages must reach a queue."""

    def __init__(self, broker: HardenedBroker) -> None:
        self._broker = broker

    def open(self) -> None:
        """Declare the two exchanges, the queue for commands, and the work queues as workers do."""
        try:
            channel = self._broker.channel
            channel.exchange_declare(COMMANDS, exchange_type="direct", durable=True)
            channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
            self._declare_ingress(channel)
            for queue in Queue:
                self._broker.queues_pending.add(queue.value)
                self._broker.declare_queue(queue.value, ensure=True)
        except (AMQPConnectionError, AMQPChannelError, ConnectionClosed, OSError) as error:
            self._drop()
            raise WireDownError(f"RabbitMQ does not answer: {error!r}") from error

    def publish(self, row: Outbox) -> None:
        """Publish one row and wait for RabbitMQ's confirm."""
        try:
            self._broker.channel.basic_publish(
                exchange=row.exchange,
                routing_key=row.routing_key,
                body=row.payload,
                properties=pika.BasicProperties(
                    delivery_mode=2,
                    message_id=row.event_id,
                    content_type=(
                        "application/cloudevents+json" if row.exchange else "application/json"
                    ),
                ),
                mandatory=row.mandatory,
            )
        except UnroutableError as error:
            # Somebody deleted the queue: declare it again, and this row goes with the next try.
            self._broker.queues_pending.add(row.routing_key)
            self.open()
            raise RowRefusedError(f"no queue took it: {row.routing_key}") from error
        except NackError as error:
            raise RowRefusedError("RabbitMQ refused it (nack)") from error
        except ChannelClosedByBroker as error:
            # It answers with the end of the channel: no such exchange (404), not allowed (403),
            # too large (406). That is about this row; `open` brings back what was ours.
            self._drop()
            self.open()
            raise RowRefusedError(f"RabbitMQ refused it: {error!r}") from error
        except (AMQPConnectionError, AMQPChannelError, OSError) as error:
            # The outcome is unknown: it may come again later on this connection, so that goes.
            self._drop()
            raise WireDownError(f"RabbitMQ does not answer: {error!r}") from error

    def channel(self) -> BlockingChannel:
        """A further channel of this thread's connection. Raises pika's errors."""
        return self._broker.connection.channel()

    def tend(self, seconds: float = 0) -> None:
        """Answer heartbeats (RabbitMQ closes a connection that is silent for a minute), and handle
        what arrives on its channels, for so long at most.
        """
        try:
            self._broker.connection.process_data_events(time_limit=seconds)
        except (AMQPConnectionError, AMQPChannelError, OSError) as error:
            self._drop()
            raise WireDownError(f"RabbitMQ does not answer: {error!r}") from error

    def close(self) -> None:
        """Close this thread's connection."""
        self._drop()

    def _declare_ingress(self, channel: BlockingChannel) -> None:
        # Before any ingress has run: a command that comes early waits. Its messages are never
        # dead-lettered by RabbitMQ, however often an ingress loses its connection.
        lasting = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
        channel.queue_declare(
            INGRESS, durable=True, arguments=lasting if self._broker.quorum else {}
        )
        for name in PUBLIC:
            channel.queue_bind(INGRESS, COMMANDS, routing_key=name)

    def _drop(self) -> None:
        del self._broker.connection


class MemoryWire:
    """The in-memory broker: work goes to this process's workers; events have no subscribers."""

    def __init__(self, broker: StubBroker) -> None:
        self._broker = broker

    def open(self) -> None:
        """Nothing to connect."""

    def publish(self, row: Outbox) -> None:
        """Hand a work message to the workers of this process."""
        if not row.exchange:
            try:
                message: dramatiq.Message[None] = dramatiq.Message.decode(row.payload)
                self._broker.enqueue(message)
            except (DecodeError, QueueNotFound) as error:
                raise RowRefusedError(f"no queue took it: {row.routing_key}") from error

    def tend(self) -> None:
        """Nothing to keep alive."""

    def close(self) -> None:
        """Nothing to disconnect."""


def rabbit_wire(broker: dramatiq.Broker) -> RabbitWire:
    """The wire to RabbitMQ, for what works over no other. Raises TypeError."""
    if isinstance(broker, HardenedBroker):
        return RabbitWire(broker)
    raise TypeError(f"{type(broker).__name__} is not RabbitMQ")


def wire_of(broker: dramatiq.Broker) -> Wire:
    """The wire that belongs to a broker of `workers.process.broker.make_broker`."""
    if isinstance(broker, HardenedBroker):
        return rabbit_wire(broker)
    if isinstance(broker, StubBroker):
        return MemoryWire(broker)
    raise TypeError(f"no wire for {type(broker).__name__}")
