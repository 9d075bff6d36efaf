"""A channel of RabbitMQ on which many messages are outstanding at once, each until its confirm has arrived.

pika's blocking channel waits for the confirm of each message, one after the other. This one uses what is below it
(tests/unit/test_pika_hooks.py fails if pika renames that).
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pika
from pika import BlockingConnection, SelectConnection, frame
from pika.channel import Channel
from pika.exceptions import AMQPConnectionError, AMQPError, ChannelClosedByBroker
from pika.spec import Basic

from certline.models.events.due import DueMessage
from certline.producers.messaging.frames import Frames, properties_of

# Seconds in which the confirms of all outstanding messages must arrive. Postgres ends a transaction that is idle
# for a minute, and the relay's is open meanwhile.
CONFIRM_WITHIN = 25.0
# The same if there is another node to go to. An election of a queue's leader takes less, after which RabbitMQ
# confirms what came meanwhile. While an alarm blocks RabbitMQ, the other nodes would take nothing either.
CONFIRM_IN_CLUSTER = 8.0
# Seconds in which RabbitMQ must have answered that a connection is closed.
CLOSE_WITHIN = 5.0
# Bytes that are handed to the socket at once.
PIECE = 256 * 1024


@dataclass
class Verdicts:
    """What became of messages published together; those in no list are unknown: they may have arrived.

    `missing`: the number of those. `closed`: why RabbitMQ closed the channel before their confirms, without saying
    which message was at fault.
    """

    missing: int = 0
    confirmed: list[DueMessage] = field(default_factory=list)
    returned: list[DueMessage] = field(default_factory=list)
    nacked: list[DueMessage] = field(default_factory=list)
    closed: ChannelClosedByBroker | None = None


class ConfirmWindow:
    """A channel with confirms on a connection, used by one thread."""

    def __init__(self, connection: BlockingConnection, *, has_others: bool = False) -> None:
        """Open the channel; `has_others`: another node can be tried. Raises pika's errors."""
        self._has_others = has_others
        self._is_blocked = False
        # What the blocking connection and its channel wrap (see above).
        self._below: SelectConnection = connection._impl  # noqa: SLF001
        ready: list[object] = []
        # Not `connection.channel()`, which would wait for a frozen broker without a limit, within the transaction
        # of the relay.
        self._channel: Channel = self._below.channel(on_open_callback=ready.append)
        self._frames = Frames(self._channel.channel_number)
        # By delivery tag, with the verdicts that it belongs to; RabbitMQ numbers messages from 1.
        self._outstanding: dict[int, tuple[DueMessage, Verdicts]] = {}
        self._last_tag = 0
        self._returned: set[str] = set()
        self._lost: list[Exception] = []
        self._closed: list[Exception] = []
        self._below.add_on_close_callback(lambda _connection, why: self._lost.append(why))
        self._channel.add_on_close_callback(lambda _channel, why: self._closed.append(why))
        self._channel.add_on_return_callback(self._on_return)
        self._below.add_on_connection_blocked_callback(lambda *_: self._block(is_blocked=True))
        self._below.add_on_connection_unblocked_callback(lambda *_: self._block(is_blocked=False))
        self._wait(lambda: bool(ready))
        ready.clear()
        self._channel.confirm_delivery(self._on_verdict, callback=ready.append)
        self._wait(lambda: bool(ready))

    @property
    def is_open(self) -> bool:
        """False once RabbitMQ has closed the channel, or the connection was lost."""
        return bool(self._channel.is_open)

    def send_all(self, messages: Sequence[DueMessage], verdicts: Verdicts) -> None:
        """Publish messages; what becomes of each will be noted in `verdicts`. Raises pika's errors."""
        verdicts.missing += len(messages)
        pieces: list[bytes] = []
        size = 0
        for message in messages:
            self._last_tag += 1
            self._outstanding[self._last_tag] = message, verdicts
            frames = self._frames.encode(message)
            if not frames:
                self._emit(pieces)
                body = message.text.encode()
                to = (message.exchange, message.routing_key)
                self._channel.basic_publish(*to, body, properties_of(message), message.mandatory)
                continue
            pieces += frames
            size += len(message.text)
            if size >= PIECE:
                self._emit(pieces)
                size = 0
        self._emit(pieces)

    def await_verdicts(self, verdicts: Verdicts) -> None:
        """Wait for the confirms of all messages that were sent with these verdicts.

        Raises pika's errors if the connection is lost, TimeoutError if confirms are missing after CONFIRM_WITHIN,
        which ends the connection. The verdicts have what arrived until then.
        """
        if self._lost:  # while others were waited for
            raise self._lost[0]
        self._wait(lambda: not verdicts.missing or not self.is_open)
        if verdicts.missing:
            by_broker = [why for why in self._closed if isinstance(why, ChannelClosedByBroker)]
            if not by_broker:
                raise AMQPConnectionError("the channel is closed")
            verdicts.closed = by_broker[0]

    def leave(self) -> None:
        """Close the connection, with all of its channels.

        Its own close would fail, because the channel of this window is none of a blocking connection.
        """
        # The end of the connection is what is waited for, and told as a loss.
        with suppress(AMQPError, OSError):
            if not self._lost:
                self._below.close()
                self._wait(lambda: False, CLOSE_WITHIN)

    def _emit(self, pieces: list[bytes]) -> None:
        """Hand frames to the connection in one piece: a system call for many messages instead of one for each."""
        if pieces:
            if not self.is_open:
                raise AMQPConnectionError("the channel is closed")
            self._below._output_marshaled_frames([b"".join(pieces)])  # noqa: SLF001
            pieces.clear()

    def _wait(self, done: Callable[[], bool], most: float = CONFIRM_WITHIN) -> None:
        begun = time.monotonic()
        given_up = False
        loop = self._below.ioloop
        while not done():
            # Returns when something arrives, and after 5 s at the latest. Unlike pika's own wait it also returns
            # while RabbitMQ, blocked by an alarm, takes nothing more.
            loop.poll()
            loop.process_timeouts()
            if self._lost:
                loop.close()
                raise self._lost[0]
            within = most
            if self._has_others and not self._is_blocked:
                within = min(within, CONFIRM_IN_CLUSTER)
            if time.monotonic() > begun + within and not given_up:
                # At once: a polite close would wait for an answer.
                given_up = True
                self._below._terminate_stream(TimeoutError("it confirms nothing"))  # noqa: SLF001

    def _block(self, *, is_blocked: bool) -> None:
        self._is_blocked = is_blocked

    def _on_return(
        self,
        _channel: Channel,
        _method: Basic.Return,
        properties: pika.BasicProperties,
        _body: bytes,
    ) -> None:
        # RabbitMQ returns a message before it confirms it.
        self._returned.add(str(properties.message_id))

    def _on_verdict(self, method_frame: frame.Method[Basic.Ack | Basic.Nack]) -> None:
        method = method_frame.method
        outstanding = self._outstanding
        if method.multiple:
            # Insertion order is the order of tags.
            tags = []
            for tag in outstanding:
                if tag > method.delivery_tag:
                    break
                tags.append(tag)
        else:
            tags = [method.delivery_tag]
        nacked = isinstance(method, Basic.Nack)
        for tag in tags:
            message, verdicts = outstanding.pop(tag)
            verdicts.missing -= 1
            if message.event_id in self._returned:
                self._returned.discard(message.event_id)
                verdicts.returned.append(message)
            elif nacked:
                verdicts.nacked.append(message)
            else:
                verdicts.confirmed.append(message)
