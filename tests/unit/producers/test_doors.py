"""Tests of a relay's wire, and of the errors where there is no RabbitMQ."""

import json
import uuid

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from pydantic import SecretStr

from certline.models.events.due import DueMessage
from certline.models.events.outbox import EVENTS
from certline.models.settings import Settings
from certline.models.states import Queue
from certline.producers.messaging.publisher import MemoryWire, RabbitWire, wire_of
from certline.producers.processes import NeedsRabbitError, ServerDownError, reach_rabbit
from certline.workers.process.broker import make_broker

NOWHERE = SecretStr("amqp://ida:hunter2@127.0.0.1:1/?connection_attempts=1")


def a_message(exchange: str = "", **spoilt: str) -> DueMessage:
    """Return a wake-up, or, given an exchange, the same as an event."""
    message: dramatiq.Message[None] = dramatiq.Message(Queue.POLL, "poll", (), {}, {})
    body = json.dumps(message.asdict() | spoilt)
    return DueMessage(1, str(uuid.uuid4()), exchange, Queue.POLL, body)


@pytest.fixture
def memory() -> StubBroker:
    """Return the in-memory broker, with one queue."""
    broker = make_broker(Settings())
    broker.declare_queue(Queue.POLL)
    assert isinstance(broker, StubBroker)
    return broker


def test_the_settings_choose_the_wire(memory: StubBroker) -> None:
    assert isinstance(wire_of(memory), MemoryWire)
    assert isinstance(wire_of(make_broker(Settings(rabbitmq_url=NOWHERE))), RabbitWire)


def test_another_broker_has_no_wire() -> None:
    with pytest.raises(TypeError, match="no wire for Broker"):
        wire_of(dramatiq.Broker(middleware=[]))


def test_in_memory_work_reaches_the_workers_of_this_process(memory: StubBroker) -> None:
    message, wire = a_message(), wire_of(memory)

    shipment = wire.send([message])

    assert wire.settle(shipment).confirmed == [message]
    assert memory.queues[Queue.POLL].qsize() == 1


def test_in_memory_an_event_has_no_subscribers(memory: StubBroker) -> None:
    wire_of(memory).send([a_message(EVENTS)])

    assert memory.queues[Queue.POLL].qsize() == 0


@pytest.mark.parametrize("spoilt", [{"queue_name": "certline.nobody"}, {"colour": "blue"}])
def test_in_memory_a_message_that_no_queue_takes_is_refused_and_waits(
    memory: StubBroker, spoilt: dict[str, str]
) -> None:
    good, wire = a_message(), wire_of(memory)

    settled = wire.settle(wire.send([a_message(**spoilt), good]))

    assert settled.confirmed == [good]
    assert settled.refused == {1: f"no queue took it: {Queue.POLL}"}


def test_a_part_that_needs_rabbitmq_names_the_way_without_it() -> None:
    with pytest.raises(NeedsRabbitError, match="certline up"):
        reach_rabbit(Settings())


def test_a_rabbitmq_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(ServerDownError, match="RabbitMQ at amqp://ida:\\*\\*\\*@127") as down:
        reach_rabbit(Settings(rabbitmq_url=NOWHERE))

    assert "hunter2" not in str(down.value)


def test_a_password_with_a_semicolon_is_not_taken_for_two_nodes() -> None:
    url = SecretStr("amqp://ida:hunter2;hunter3@127.0.0.1:1/?connection_attempts=1")

    with pytest.raises(ServerDownError, match="RabbitMQ at amqp://ida:\\*\\*\\*@127") as down:
        reach_rabbit(Settings(rabbitmq_url=url))

    assert "hunter" not in str(down.value)


def test_every_node_of_a_cluster_is_named_without_its_password() -> None:
    both = SecretStr(f"{NOWHERE.get_secret_value()};{NOWHERE.get_secret_value()}")

    with pytest.raises(ServerDownError) as down:
        reach_rabbit(Settings(rabbitmq_url=both))

    assert str(down.value).count("ida:***@127.0.0.1:1") == 2
