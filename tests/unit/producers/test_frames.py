"""Tests that the relay's frames are those of pika, byte by byte."""

import json
import uuid

import pytest
from pika import frame
from pika.spec import Basic

from certline.models.events.due import DueMessage
from certline.models.events.outbox import EVENTS
from certline.producers.messaging.frames import ONE_FRAME, Frames, properties_of

CHANNEL = 7
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_message(**differently: object) -> DueMessage:
    """Return a wake-up, or what is given in place of its fields."""
    fields = {
        "id": 1,
        "event_id": str(uuid.uuid4()),
        "exchange": "",
        "routing_key": "certline.poll",
        "text": json.dumps({"name": "Nordhafen Universität"}, ensure_ascii=False),
    }
    return DueMessage(**(fields | differently))  # type: ignore[arg-type]


def an_event(**differently: object) -> DueMessage:
    """Return an event, or what is given in place of its fields."""
    return a_message(exchange=EVENTS, routing_key="order.issued", mandatory=False, **differently)


def by_pika(message: DueMessage) -> bytes:
    """Return the frames as pika encodes them."""
    body = message.text.encode()
    publish = Basic.Publish(0, message.exchange, message.routing_key, message.mandatory)
    return b"".join(
        (
            frame.Method(CHANNEL, publish).marshal(),
            frame.Header(CHANNEL, len(body), properties_of(message)).marshal(),
            frame.Body(CHANNEL, body).marshal(),
        )
    )


@pytest.mark.parametrize(
    "message",
    [
        a_message(),
        a_message(routing_key="certline.order", text="x" * ONE_FRAME),
        a_message(traceparent=TRACE),
        an_event(),
        an_event(traceparent=TRACE),
        an_event(copies=["sender.erp"]),
        an_event(copies=["sender.erp", "sender.cmdb"], traceparent=TRACE),
        an_event(traceparent=TRACE + "-what-a-later-version-adds"),
        an_event(traceparent="ü" * 55),
        a_message(event_id="of-another-length"),
        a_message(exchange="certline.commands"),
    ],
)
def test_a_message_is_encoded_as_pika_does(message: DueMessage) -> None:
    frames = Frames(CHANNEL)

    # Twice: the first message of a kind makes what the next ones are encoded with.
    both = [b"".join(frames.encode(each)) for each in (a_message(), an_event(), message, message)]

    assert both[2:] == [by_pika(message)] * 2


@pytest.mark.parametrize("text", ["", "x" * (ONE_FRAME + 1), "ü" * (ONE_FRAME // 2 + 1)])
def test_a_body_that_is_empty_or_needs_several_frames_is_left_to_pika(text: str) -> None:
    assert Frames(CHANNEL).encode(a_message(text=text)) == ()


def test_messages_of_one_kind_differ_in_their_ids_and_traces() -> None:
    frames = Frames(CHANNEL)
    messages = [an_event(traceparent=TRACE), an_event(traceparent=TRACE.replace("0af", "1bf"))]

    encoded = [b"".join(frames.encode(each)) for each in messages]

    assert encoded == [by_pika(each) for each in messages]
