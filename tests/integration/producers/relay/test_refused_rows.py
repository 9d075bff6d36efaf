"""Tests of a row for which RabbitMQ closes the channel: it waits alone and delays no other row."""

from uuid import uuid4

import pytest

from certline.models import Database, Outbox
from certline.models.commands.wake_up import emit_wake_up
from certline.models.events.outbox import EVENTS, emit_event
from certline.models.states import CommandType
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import sent
from tests.integration.producers.rabbit import channel_to, ids, open_wire, rows
from tests.servers import RabbitServer
from tests.support.documented_events import some

pytestmark = pytest.mark.slow

# Bytes of a message; far more than a wake-up has.
LARGEST = 2_000


def write(database: Database, **named: object) -> None:
    """Write a row that will be refused, and a good one behind it."""
    with database.transaction() as db:
        db.add(Outbox(**{"event_id": str(uuid4()), "body": {}, "exchange": ""} | named))
        db.flush()
        emit_wake_up(db, CommandType.POLL, "0190")


def test_a_row_for_an_exchange_that_is_not_there_holds_nobody_up(
    database: Database, vhost: str
) -> None:
    write(database, exchange="nowhere", routing_key="x")

    with open_wire(database.url, vhost) as wire:
        count = Relay(database, wire).pump()

    refused, good = rows(database)
    assert (count, sent(database)) == (1, [False, True])
    assert ids(vhost) == [good.event_id]
    assert refused.attempts == 1
    assert "nowhere" in str(refused.last_error)


def test_a_row_that_is_too_large_holds_nobody_up(
    database: Database, private_rabbitmq: RabbitServer
) -> None:
    private_rabbitmq.ctl("eval", f"application:set_env(rabbit, max_message_size, {LARGEST}).")
    write(database, routing_key="certline.poll", body={"x": "y" * 2 * LARGEST})

    with open_wire(database.url, private_rabbitmq.url) as wire:
        count = Relay(database, wire).pump()

    assert (count, sent(database)) == (1, [False, True])
    assert rows(database)[0].attempts == 1


def test_a_deleted_exchange_for_events_is_declared_again_and_the_event_goes_out(
    database: Database, vhost: str
) -> None:
    with open_wire(database.url, vhost) as wire:
        with channel_to(vhost) as channel:
            channel.exchange_delete(EVENTS)
        with database.transaction() as db:
            emit_event(db, some("order.issued"), subject=None, correlation_id=None)

        assert Relay(database, wire).pump() == 1
