"""Fault tests of consumers that RabbitMQ cancels while leaving their connection open."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import dramatiq
import pika
import pytest
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer
from dramatiq.common import current_millis, dq_name
from dramatiq.errors import ConnectionClosed

from tests.faults.broker.stage import PATIENCE, Kind, Left, Stage, channel_to
from tests.servers import until

HOUR = 3_600_000  # milliseconds


@pytest.mark.parametrize(
    ("kind", "ending"), [(Kind.STOCK, StopIteration), (Kind.OURS, ConnectionClosed)]
)
def test_a_deleted_queue_ends_a_stock_consumer_quietly_and_ours_as_a_lost_connection(
    stage_of: Callable[[Kind], Stage], kind: Kind, ending: type[Exception]
) -> None:
    stage = stage_of(kind)
    consumer = stage.consume()
    assert next(consumer) is None
    with channel_to(stage.url) as channel:
        channel.queue_delete(stage.queue)

    with pytest.raises(ending):
        until(lambda: next(consumer), PATIENCE)

    consumer.close()


@pytest.mark.parametrize(("kind", "held"), [(Kind.STOCK, 2), (Kind.OURS, 1)])
def test_a_delayed_message_whose_consumer_is_cancelled_fires_twice_on_stock_and_once_on_ours(
    stage_of: Callable[[Kind], Stage], monkeypatch: pytest.MonkeyPatch, kind: Kind, held: int
) -> None:
    stage = stage_of(kind)
    note: dramatiq.Actor[[str], None] = stage.broker.get_actor("note")
    note.send_with_options(args=("A",), delay=HOUR)

    with stage.working() as worker:
        thread = worker.consumers[dq_name(stage.queue)]
        until(lambda: thread.delay_queue.qsize() == 1, PATIENCE)
        cancelled = thread.consumer
        assert isinstance(cancelled, _RabbitmqConsumer)
        cancel(cancelled)
        until(lambda: has_one(thread.consumer) and thread.consumer is not cancelled, PATIENCE)
        until(lambda: thread.delay_queue.qsize() == held, PATIENCE)
        an_hour_later = current_millis() + 2 * HOUR
        monkeypatch.setattr("dramatiq.worker.current_millis", lambda: an_hour_later)
        until(lambda: len(stage.ran) == held, PATIENCE)

    assert stage.ran == ["A"] * held
    assert stage.left() == Left()


@pytest.mark.parametrize(("kind", "left_open"), [(Kind.STOCK, True), (Kind.OURS, False)])
def test_a_connection_whose_channel_rabbitmq_has_closed_stays_open_on_stock_and_not_on_ours(
    stage_of: Callable[[Kind], Stage], kind: Kind, left_open: bool
) -> None:
    consumer = stage_of(kind).consume()
    assert isinstance(consumer, _RabbitmqConsumer)
    consumer.channel.basic_ack(4711)  # no such delivery: 406, and the channel is closed
    with pytest.raises(ConnectionClosed):
        until(lambda: next(consumer), PATIENCE)

    with suppress(ConnectionClosed):
        consumer.close()

    assert consumer.connection.is_open is left_open
    if left_open:
        consumer.connection.close()


def has_one(consumer: object) -> bool:
    """Check whether RabbitMQ has delivered a message to this consumer."""
    return len(getattr(consumer, "known_tags", ())) == 1


def cancel(consumer: _RabbitmqConsumer) -> None:
    """Make pika see a `basic.cancel`, as sent by a consumer timeout of RabbitMQ 4.3."""
    channel = consumer.channel
    (tag,) = channel.consumer_tags
    frame = pika.frame.Method(channel.channel_number, pika.spec.Basic.Cancel(tag))
    cancelled = partial(channel._on_consumer_cancelled_by_broker, frame)
    consumer.connection.add_callback_threadsafe(cancelled)
