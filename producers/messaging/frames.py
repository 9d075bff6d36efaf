"""AMQP frames of messages to publish, for many messages of few kinds.

pika encodes each message property by property. Messages of one kind differ in their ids, traces and bodies only,
and all but the bodies are of one length; so pika encodes one of each kind, and for the next ones what differs is
put in its place (tests/unit/producers/test_frames.py compares the two).
"""

import pika
from pika import frame
from pika.spec import FRAME_BODY, FRAME_END, Basic

from certline.models.events.due import DueMessage

# Bytes of a body that fits into one frame of every connection: AMQP 0-9-1 allows no limit below 4,096 for a frame,
# and 8 of them are its own.
ONE_FRAME = 4_088
# Stand for the id (a UUID) and the trace of a message; neither occurs in anything else of a header.
SOME_ID, SOME_TRACE = "\x01" * 36, "\x02" * 55
# In a header frame, the size of the body: after type, channel and size of the frame, class and weight.
SIZE = slice(11, 19)
END = bytes([FRAME_END])


class Frames:
    """Encodes messages for one channel."""

    def __init__(self, channel: int) -> None:
        """Create it for a channel's number."""
        self._channel = channel
        self._body = bytes([FRAME_BODY]) + channel.to_bytes(2, "big")
        # Most of a batch goes to few queues, and is of few kinds.
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        self._headers: dict[tuple[str, bool], tuple[bytes, bytes, bytes, bytes]] = {}

    def encode(self, message: DueMessage) -> tuple[bytes, ...]:
        """Return the frames that publish a message, in pieces; none if its body is empty or fills several."""
        body = message.text.encode()
        size = len(body)
        if not 0 < size <= ONE_FRAME:
            return ()
        return (
            self._method(message),
            *self._header(message, size),
            self._body,
            size.to_bytes(4, "big"),
            body,
            END,
        )

    def _method(self, message: DueMessage) -> bytes:
        to = (message.exchange, message.routing_key, message.mandatory)
        known = self._methods.get(to)
        if known is None:
            publish = Basic.Publish(0, *to)
            known = self._methods[to] = frame.Method(self._channel, publish).marshal()
        return known

    def _header(self, message: DueMessage, size: int) -> tuple[bytes, ...]:
        event_id = message.event_id.encode()
        trace = (message.traceparent if message.is_event else None) or ""
        encoded = trace.encode()
        if (
            message.copies
            or len(event_id) != len(SOME_ID)
            or len(encoded) not in (0, len(SOME_TRACE))
        ):
            return (frame.Header(self._channel, size, properties_of(message)).marshal(),)
        start, kind, between, end = self._template(message.exchange, has_trace=bool(trace))
        return start, size.to_bytes(8, "big"), kind, encoded, between, event_id, end

    def _template(self, exchange: str, *, has_trace: bool) -> tuple[bytes, bytes, bytes, bytes]:
        """Return what stands in a header before and after the size of the body, the trace and the id."""
        known = self._headers.get((exchange, has_trace))
        if known is None:
            some = DueMessage(
                0, SOME_ID, exchange, "", "", traceparent=SOME_TRACE if has_trace else None
            )
            whole = frame.Header(self._channel, 0, properties_of(some)).marshal()
            kind, trace, rest = whole[SIZE.stop :].partition(SOME_TRACE.encode())
            if not trace:
                kind, rest = b"", kind
            between, _, end = rest.partition(SOME_ID.encode())
            known = whole[: SIZE.start], kind, between, end
            self._headers[exchange, has_trace] = known
        return known


def properties_of(message: DueMessage) -> pika.BasicProperties:
    """Return a message's properties, as pika takes them."""
    headers: dict[str, object] = {}
    if message.copies:
        # RabbitMQ routes by these keys too, and removes the header: nobody sees whom else it reached.
        headers["BCC"] = list(message.copies)
    if message.traceparent is not None and message.is_event:
        headers["traceparent"] = message.traceparent
    return pika.BasicProperties(
        delivery_mode=2,
        message_id=message.event_id,
        content_type="application/cloudevents+json" if message.exchange else "application/json",
        headers=headers or None,
    )
