"""Tests of the end of the relay's connection to RabbitMQ."""

import logging

import pytest

from certline.models.events.due import DueMessage
from certline.models.states import Queue
from certline.producers.messaging.publisher import RabbitWire
from tests.integration.producers.rabbit import a_wire


@pytest.fixture
def wire(vhost: str) -> RabbitWire:
    """Return a wire that is connected."""
    wire = a_wire("postgresql://nowhere", vhost)
    wire.open()
    return wire


def test_a_wire_that_has_published_closes_its_connection(
    wire: RabbitWire, caplog: pytest.LogCaptureFixture
) -> None:
    connection = wire.channel().connection
    message = DueMessage(0, "first", "", Queue.ORDER.value, "{}")
    assert wire.settle(wire.send([message])).confirmed == [message]

    with caplog.at_level(logging.ERROR):
        wire.close()

    assert connection.is_closed
    assert caplog.text == ""


def test_a_wire_whose_window_was_closed_by_rabbitmq_publishes_on_another_connection(
    wire: RabbitWire, caplog: pytest.LogCaptureFixture
) -> None:
    first = wire.channel().connection
    refused = DueMessage(0, "refused", "nowhere", "order", "{}")
    assert wire.settle(wire.send([refused])).confirmed == []
    wire.close()
    wire.open()
    message = DueMessage(1, "taken", "", Queue.ORDER.value, "{}")

    with caplog.at_level(logging.ERROR):
        taken = wire.settle(wire.send([message])).confirmed

    assert taken == [message]
    assert first.is_closed
    assert caplog.text == ""
    wire.close()
