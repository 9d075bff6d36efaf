"""Spans of what the relay publishes, made after a batch was confirmed: none while it is on its way."""

from collections.abc import Mapping, Sequence

from certline.models.events.due import DueMessage
from certline.models.events.trace_context import is_sampled, is_unrecorded
from certline.workers.tracing.span import SpanKind, recorder_in_use


def record_published(
    messages: Sequence[DueMessage], refused: Mapping[int, str], begun: int
) -> None:
    """Record a span for each message that belongs to a recorded trace, if tracing is on.

    `begun`: when the batch was handed to RabbitMQ (nanoseconds since 1970). `refused`: why, by the messages' ids.
    """
    recorder = recorder_in_use()
    if recorder is None:
        return
    for message in messages:
        above = message.traceparent
        # What nothing was recorded of gets its first span by the step that it wakes.
        if above is None or is_unrecorded(above) or not is_sampled(above):
            continue
        to = message.routing_key
        sent = recorder.begin(
            f"publish {to}",
            SpanKind.PRODUCER,
            above,
            {
                "messaging.system": "rabbitmq",
                "messaging.operation.type": "send",
                "messaging.destination.name": message.exchange or to,
                "messaging.message.id": message.event_id,
            },
            begun,
        )
        if message.id in refused:
            sent.fail("refused")
        sent.end()
