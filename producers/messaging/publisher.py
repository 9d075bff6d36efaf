"""Wires, through which the relay publishes: RabbitMQ, or an in-memory broker."""

from collections.abc import Sequence
from typing import Protocol

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import ConnectionClosed, DecodeError, QueueNotFound
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPChannelError, AMQPConnectionError, ChannelClosedByBroker

from certline.models.commands.kinds import PUBLIC
from certline.models.events.due import DueMessage
from certline.models.events.outbox import COMMANDS, EVENTS, INGRESS
from certline.models.states import Queue
from certline.producers.messaging.broker_fault import broker_fault
from certline.producers.messaging.shipment import Settled, Shipment, WireDownError
from certline.producers.messaging.window import ConfirmWindow, Verdicts
from certline.workers.process.broker import NO_LIMIT, HardenedBroker

# A durable exchange that nothing is published to. It is missing from a new broker, and from one whose data was
# lost, even if queues and the other exchanges have been declared again.
MARK = "certline.mark"

# Errors by which a connection to RabbitMQ is known to be lost.
LOST = (AMQPConnectionError, AMQPChannelError, ConnectionClosed, OSError)
_UNROUTABLE = "no queue took it: {}"


class Wire(Protocol):
    """A way to publish outbox rows."""

    def open(self) -> None:
        """Connect, and declare the exchanges and queues that rows are published to. Raises WireDownError."""

    def is_new(self) -> bool:
        """Return True if the broker has never been used, or has lost its data since. Raises WireDownError."""

    def mark(self) -> bool:
        """Mark the broker as used. Returns False if it does not permit that. Raises WireDownError."""

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Publish messages; `settle` tells what became of them, and whether the broker was lost meanwhile.

        Further messages may be sent before that.
        """

    def settle(self, shipment: Shipment) -> Settled:
        """Wait for the broker's confirms of messages, those sent first first; return what became of each."""

    def tend(self) -> None:
        """Keep an idle connection alive. Raises WireDownError if the connection is lost."""

    def close(self) -> None:
        """Disconnect."""


class RabbitWire:
    """RabbitMQ: every publish is confirmed by the broker; work messages must reach a queue."""

    def __init__(self, broker: HardenedBroker) -> None:
        self._broker = broker
        self._window: ConfirmWindow | None = None

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
        except LOST as error:
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error

    def is_new(self) -> bool:
        """Return True if the exchange MARK is missing: only `mark` declares it. Raises WireDownError."""
        return not self._declare_mark(passive=True)

    def mark(self) -> bool:
        """Declare the exchange MARK. Returns False without the permission to. Raises WireDownError."""
        return self._declare_mark(passive=False)

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Publish messages; `settle` tells what became of them, and whether RabbitMQ was lost meanwhile."""
        shipment = Shipment({message.id: message for message in messages})
        self._hand_over(shipment, messages)
        return shipment

    def settle(self, shipment: Shipment) -> Settled:
        """Wait for RabbitMQ's confirms of messages, and return what became of each.

        Messages to a queue that was deleted are sent again, once, after it was declared again. If RabbitMQ closes
        the channel because of one of several messages, those not confirmed by then are sent again one by one,
        since it does not say which was at fault; those that were sent after them on the same channel, all at once.
        """
        was_open = shipment.window is not None and shipment.window.is_open
        returned, closed = self._verdicts(shipment)
        if closed is not None and not was_open:
            back = {message.id for message in returned}
            unknown = [each for each in shipment.pending.values() if each.id not in back]
            self._hand_over(shipment, unknown)
            more, closed = self._verdicts(shipment)
            returned += more
        again = [message for message in returned if not message.exchange]
        for message in returned:
            if message.exchange:
                shipment.refuse(message, _UNROUTABLE)
        if again:
            self._declare_again(shipment)
            if closed is None:
                self._hand_over(shipment, again)
                returned, closed = self._verdicts(shipment)
                for message in returned:
                    shipment.refuse(message, _UNROUTABLE)
        if closed is not None:
            for message in list(shipment.pending.values()):
                self._settle_alone(shipment, message)
        return shipment.settled

    def channel(self) -> BlockingChannel:
        """Open a further channel on this thread's connection. Raises pika's errors."""
        return self._broker.connection.channel()

    def tend(self, seconds: float = 0) -> None:
        """Process heartbeats and deliveries for up to `seconds`. Raises WireDownError if the connection is lost.

        RabbitMQ closes a connection that is silent for a minute.
        """
        try:
            self._broker.connection.process_data_events(time_limit=seconds)
        except LOST as error:
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
        except LOST as error:
            self._drop()
            raise WireDownError(f"RabbitMQ {broker_fault(error)}") from error
        return True

    def _declare_ingress(self, channel: BlockingChannel) -> None:
        # Declared by the relay too, so that commands sent before the first ingress runs wait in the queue. The
        # high delivery limit (quorum queues) keeps RabbitMQ from dead-lettering them, however often an ingress
        # loses its connection.
        lasting = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
        channel.queue_declare(
            INGRESS, durable=True, arguments=lasting if self._broker.quorum else {}
        )
        for name in PUBLIC:
            channel.queue_bind(INGRESS, COMMANDS, routing_key=name)

    def _hand_over(self, shipment: Shipment, messages: Sequence[DueMessage]) -> None:
        if shipment.settled.down is not None:
            return
        shipment.verdicts = Verdicts()
        try:
            shipment.window = self._open_window()
            shipment.window.send_all(messages, shipment.verdicts)
        except LOST as error:
            # A closed channel is looked at by `_verdicts`.
            if self._window is None or self._window.is_open:
                self._lose(shipment, error)

    def _open_window(self) -> ConfirmWindow:
        window = self._window
        if window is None or not window.is_open:
            self._window = None  # also if no other can be opened
            connection = self._broker.connection
            window = ConfirmWindow(connection, has_others=self._broker.has_other_nodes)
            self._window = window
        return window

    def _verdicts(
        self, shipment: Shipment
    ) -> tuple[list[DueMessage], ChannelClosedByBroker | None]:
        """Wait for the confirms, and note them. Returns what came back, and why the channel was closed, if so."""
        found = shipment.verdicts
        if shipment.settled.down is not None or (window := shipment.window) is None:
            return [], None
        try:
            window.await_verdicts(found)
        except LOST as error:
            # The outcome of the others is unknown: a late confirm may still arrive here, so close the connection.
            self._lose(shipment, error)
        for message in found.confirmed:
            del shipment.pending[message.id]
        shipment.settled.confirmed += found.confirmed
        for message in found.nacked:
            shipment.refuse(message, "RabbitMQ refused it (nack)")
        return found.returned, found.closed

    def _settle_alone(self, shipment: Shipment, message: DueMessage) -> None:
        self._declare_again(shipment)
        self._hand_over(shipment, [message])
        returned, closed = self._verdicts(shipment)
        if closed is not None:
            # RabbitMQ reports an unknown exchange (404), a missing permission (403) or a too large message (406)
            # by closing the channel. The fault is the message's; what may be missing is declared before the next.
            shipment.refuse(message, f"RabbitMQ refused it: {closed!r}")
        elif returned:
            shipment.refuse(message, _UNROUTABLE)

    def _declare_again(self, shipment: Shipment) -> None:
        try:
            self.open()
        except WireDownError as down:
            shipment.settled.down = down

    def _lose(self, shipment: Shipment, error: BaseException) -> None:
        self._drop()
        shipment.settled.down = WireDownError(f"RabbitMQ {broker_fault(error)}")

    def _drop(self) -> None:
        window, self._window = self._window, None
        if window is not None:
            window.leave()
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

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Hand work messages to the workers of this process, and drop events."""
        shipment = Shipment()
        for message in messages:
            try:
                if not message.exchange:
                    work: dramatiq.Message[None] = dramatiq.Message.decode(message.text.encode())
                    self._broker.enqueue(work)
            except (DecodeError, QueueNotFound):
                shipment.refuse(message, _UNROUTABLE)
            else:
                shipment.settled.confirmed.append(message)
        return shipment

    def settle(self, shipment: Shipment) -> Settled:
        """Return what became of the messages."""
        return shipment.settled

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
