"""Wires, through which the relay publishes: RabbitMQ, or an in-memory broker."""

from collections.abc import Sequence
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

from certline.models.commands.kinds import PUBLIC
from certline.models.events.outbox import COMMANDS, EVENTS, INGRESS, Outbox
from certline.models.states import Queue
from certline.producers.messaging.broker_fault import broker_fault
from certline.workers.process.broker import HardenedBroker

# A durable exchange that nothing is published to. It is missing from a new broker, and from one whose data was
# lost, even if queues and the other exchanges have been declared again.
MARK = "certline.mark"


class WireDownError(Exception):
    """The broker is unreachable: no row can be published now."""


class RowRefusedError(Exception):
    """The broker is reachable, but refused this row."""


class Wire(Protocol):
    """A way to publish outbox rows."""

    def open(self) -> None:
        """Connect, and declare the exchanges and queues that rows are published to. Raises WireDownError."""

    def is_new(self) -> bool:
        """Return True if the broker has never been used, or has lost its data since. Raises WireDownError."""

    def mark(self) -> bool:
        """Mark the broker as used. Returns False if it does not permit that. Raises WireDownError."""

    def publish(self, row: Outbox, copies: Sequence[str] = ()) -> None:
        """Publish a row and return once the broker has confirmed it. Raises WireDownError, RowRefusedError.

        `copies`: further routing keys of an event.
        """

    def tend(self) -> None:
        """Keep an idle connection alive. Raises WireDownError if the connection is lost."""

    def close(self) -> None:
        """Disconnect."""


class RabbitWire:
    """RabbitMQ: every publish is confirmed by the broker; work messages must reach a queue."""

    def __init__(self, broker: HardenedBroker) -> None:
        self._broker = broker

    def open(self) -> None:
        """Declare both exchanges, the ingress queue, and the work queues as workers do. Raises WireDownError."""
        try:
            channel = self._broker.channel
            channel.exchange_declare(COMMANDS, exchange_type="direct", durable=True)
            channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
            self._declare_ingress(channel)
            for queue in Queue:
                # Without this, Dramatiq declares a queue once per process, and never after a reconnect.
                self._broker.queues_pending.add(queue.value)
                self._broker.declare_queue(queue.value, ensure=True)
        except (AMQPConnectionError, AMQPChannelError, ConnectionClosed, OSError) as error:
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error

    def is_new(self) -> bool:
        """Return True if the exchange MARK is missing: only `mark` declares it. Raises WireDownError."""
        return not self._declare_mark(passive=True)

    def mark(self) -> bool:
        """Declare the exchange MARK. Returns False without the permission to. Raises WireDownError."""
        return self._declare_mark(passive=False)

    def publish(self, row: Outbox, copies: Sequence[str] = ()) -> None:
        """Publish one row and wait for RabbitMQ's confirm. Raises WireDownError, RowRefusedError.

        A queue that is bound by several of its routing keys receives it once.
        """
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
                    # RabbitMQ routes by these keys too, and removes the header: nobody sees whom else it reached.
                    headers={"BCC": list(copies)} if copies else None,
                ),
                mandatory=row.mandatory,
            )
        except UnroutableError as error:
            # The queue was deleted: declare it again, so that the next try of this row succeeds.
            self._broker.queues_pending.add(row.routing_key)
            self.open()
            raise RowRefusedError(f"no queue took it: {row.routing_key}") from error
        except NackError as error:
            raise RowRefusedError("RabbitMQ refused it (nack)") from error
        except ChannelClosedByBroker as error:
            # RabbitMQ reports an unknown exchange (404), a missing permission (403) or a too large message
            # (406) by closing the channel. The fault is the row's; `open` declares what may be missing.
            self._drop()
            self.open()
            raise RowRefusedError(f"RabbitMQ refused it: {error!r}") from error
        except (AMQPConnectionError, AMQPChannelError, OSError) as error:
            # The outcome is unknown: a late confirm may still arrive on this connection, so close it.
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error

    def channel(self) -> BlockingChannel:
        """Open a further channel on this thread's connection. Raises pika's errors."""
        return self._broker.connection.channel()

    def tend(self, seconds: float = 0) -> None:
        """Process heartbeats and deliveries for up to `seconds`. Raises WireDownError if the connection is lost.

        RabbitMQ closes a connection that is silent for a minute.
        """
        try:
            self._broker.connection.process_data_events(time_limit=seconds)
        except (AMQPConnectionError, AMQPChannelError, OSError) as error:
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error

    def close(self) -> None:
        """Close this thread's connection."""
        self._drop()

    def _declare_mark(self, *, passive: bool) -> bool:
        try:
            channel = self.channel()
            try:
                channel.exchange_declare(
                    MARK, exchange_type="fanout", durable=True, passive=passive
                )
            except ChannelClosedByBroker:  # unknown (404), or not permitted (403)
                return False
            channel.close()
        except (AMQPConnectionError, AMQPChannelError, ConnectionClosed, OSError) as error:
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error
        return True

    def _declare_ingress(self, channel: BlockingChannel) -> None:
        # Declared by the relay too, so that commands sent before the first ingress runs wait in the queue. The
        # high delivery limit (quorum queues) keeps RabbitMQ from dead-lettering them, however often an ingress
        # loses its connection.
        lasting = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
        channel.queue_declare(
            INGRESS, durable=True, arguments=lasting if self._broker.quorum else {}
        )
        for name in PUBLIC:
            channel.queue_bind(INGRESS, COMMANDS, routing_key=name)

    def _drop(self) -> None:
        del self._broker.connection  # Dramatiq closes it and makes a new one at the next use


class MemoryWire:
    """The in-memory broker: work messages go to this process's workers; events have no subscribers."""

    def __init__(self, broker: StubBroker) -> None:
        self._broker = broker

    def open(self) -> None:
        """Do nothing: there is no connection."""

    def is_new(self) -> bool:
        """Return False: `running` wakes the commands of an earlier process."""
        return False

    def mark(self) -> bool:
        """Return True: there is nothing to mark."""
        return True

    def publish(self, row: Outbox, copies: Sequence[str] = ()) -> None:  # noqa: ARG002  # no subscribers
        """Hand a work message to the workers of this process; drop an event. Raises RowRefusedError."""
        if not row.exchange:
            try:
                message: dramatiq.Message[None] = dramatiq.Message.decode(row.payload)
                self._broker.enqueue(message)
            except (DecodeError, QueueNotFound) as error:
                raise RowRefusedError(f"no queue took it: {row.routing_key}") from error

    def tend(self) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Do nothing: there is no connection to close."""


def rabbit_wire(broker: dramatiq.Broker) -> RabbitWire:
    """Return the wire to RabbitMQ. Raises TypeError if the broker is not RabbitMQ."""
    if isinstance(broker, HardenedBroker):
        return RabbitWire(broker)
    raise TypeError(f"{type(broker).__name__} is not RabbitMQ")


def wire_of(broker: dramatiq.Broker) -> Wire:
    """Return the wire for a broker that `make_broker` made. Raises TypeError for any other broker."""
    if isinstance(broker, HardenedBroker):
        return rabbit_wire(broker)
    if isinstance(broker, StubBroker):
        return MemoryWire(broker)
    raise TypeError(f"no wire for {type(broker).__name__}")
