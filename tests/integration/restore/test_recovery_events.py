"""Test that another system hears over RabbitMQ that a recovery has begun, and that it has ended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from certline.models.events.envelope import problems_of_event
from certline.models.events.outbox import EVENTS
from certline.producers import recovery
from tests.integration.producers.rabbit import channel_to, running
from tests.integration.restore.conftest import SETTLE, ErpLine, an_order_for, send_all
from tests.servers import until
from tests.support.documented_events import faults

QUEUE = "outside.recovery"


@pytest.fixture
def outside(vhost: str) -> Iterator[BlockingChannel]:
    """Yield a channel of a system that has bound a queue to the events about recoveries (docs/events.md)."""
    with channel_to(vhost) as channel:
        channel.exchange_declare(EVENTS, exchange_type="topic", durable=True)
        channel.queue_declare(QUEUE, durable=True)
        channel.queue_bind(QUEUE, EVENTS, "recovery.*")
        yield channel
        channel.queue_delete(QUEUE)


def next_event(channel: BlockingChannel) -> dict[str, Any]:
    """Wait for the next event, and acknowledge it."""

    def heard() -> bytes | None:
        body: bytes | None = channel.basic_get(QUEUE, auto_ack=True)[2]
        return body

    event: dict[str, Any] = json.loads(until(heard, 30, every=0.05) or b"null")
    return event


def test_a_subscriber_hears_that_a_recovery_has_begun_and_ended(
    line: ErpLine, copy_of: str, vhost: str, outside: BlockingChannel
) -> None:
    send_all(line, [an_order_for(5)])
    line.moves_to(copy_of)

    with running(line.database, vhost):
        recovery.go_on(line.database, SETTLE)
        begun = next_event(outside)
        assert outside.basic_get(QUEUE)[0] is None  # it has not ended
        line.recover()
        ended = next_event(outside)

    assert [begun["type"], ended["type"]] == ["recovery.started", "recovery.ended"]
    assert "the database's number (oid) was" in begun["data"]["reason"]
    assert begun["data"]["known_until"] is not None
    assert (ended["data"]["accepted"], ended["data"]["orders_found"]) == (False, 2)
    assert ended["data"]["keys_lost"] == 2
    for event in (begun, ended):
        assert problems_of_event(event) == []
        assert faults(f"events.{event['type']}", event) == []
