"""Tests of the relay: outbox rows reach RabbitMQ once they are due, and their subscribers."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from certline.models import Database, Queue
from certline.models.events.outbox import EVENTS, emit_event
from certline.producers import relay as relay_module
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import emit, sent
from tests.integration.producers.rabbit import (
    a_wire,
    channel_to,
    ids,
    rows,
    running,
    taken,
    waiting,
)
from tests.servers import until
from tests.support.documented_events import some


def test_what_is_due_goes_out_and_is_marked(database: Database, relay: Relay, vhost: str) -> None:
    wanted = emit(database, 3)

    assert relay.pump() == 3

    messages = taken(vhost, Queue.POLL)
    assert [properties.message_id for _, properties, _ in messages] == wanted
    assert {properties.delivery_mode for _, properties, _ in messages} == {2}
    assert [json.loads(body) for _, _, body in messages] == [row.body for row in rows(database)]
    assert sent(database) == [True] * 3


def test_what_is_sent_is_not_sent_again(database: Database, relay: Relay) -> None:
    emit(database)

    assert [relay.pump(), relay.pump()] == [1, 0]


def test_what_is_not_due_stays(database: Database, relay: Relay, vhost: str) -> None:
    emit(database, seconds=3600)

    assert relay.pump() == 0

    assert ids(vhost) == []
    assert sent(database) == [False]


def test_a_row_goes_out_when_its_time_has_come(
    database: Database, wire: RabbitWire, vhost: str
) -> None:
    wire.tend()
    with running(database, vhost):
        wanted = emit(database, seconds=0.5)

        assert until(lambda: ids(vhost), 20) == wanted


def test_a_batch_is_finished_before_the_next(database: Database, relay: Relay) -> None:
    emit(database, relay_module.BATCH + 1)

    assert [relay.pump(), relay.pump()] == [relay_module.BATCH, 1]


def test_two_relays_send_each_row_once(database: Database, wire: RabbitWire, vhost: str) -> None:
    wire.tend()
    wanted = emit(database, 400)
    together = threading.Barrier(2)

    def send(_number: int) -> int:
        own = a_wire(database.url, vhost)
        own.open()
        relay = Relay(database, own)
        together.wait(20)
        count = 0
        while waiting(database):
            count += relay.pump()
        own.close()
        return count

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(send, range(2)))

    assert sum(counts) == 400
    assert sorted(ids(vhost)) == sorted(wanted)


def test_an_event_reaches_those_who_asked_for_its_type(
    database: Database, relay: Relay, vhost: str
) -> None:
    with channel_to(vhost) as channel:
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, EVENTS, "order.*")
        with database.transaction() as db:
            emit_event(db, some("order.issued"), subject="01J", correlation_id=None)
            emit_event(db, some("license.released"), subject=None, correlation_id=None)

        assert relay.pump() == 2

        delivery, properties, body = channel.basic_get(queue, auto_ack=True)
        assert delivery.routing_key == json.loads(body)["type"] == "order.issued"
        assert properties.content_type == "application/cloudevents+json"
        assert channel.basic_get(queue)[0] is None


def test_an_event_that_nobody_asked_for_is_no_fault(database: Database, relay: Relay) -> None:
    with database.transaction() as db:
        emit_event(db, some("order.issued"), subject=None, correlation_id=None)

    assert relay.pump() == 1

    [row] = rows(database)
    assert (row.attempts, row.last_error) == (0, None)


def test_a_row_that_falls_due_later_goes_out_long_before_the_relay_would_look(
    database: Database, wire: RabbitWire, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.tend()
    monkeypatch.setattr(relay_module, "LOOK_EVERY", 3600.0)

    with running(database, vhost) as relay:
        until(lambda: relay.beat, 20)
        later = emit(database, seconds=1.5)
        wanted = emit(database, seconds=0.5)

        assert until(lambda: ids(vhost), 20) == wanted
        assert until(lambda: ids(vhost), 20) == later


def test_a_commit_wakes_the_relay_long_before_it_would_look(
    database: Database, wire: RabbitWire, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.tend()
    monkeypatch.setattr(relay_module, "LOOK_EVERY", 3600.0)

    with running(database, vhost) as relay:
        until(lambda: relay.beat, 20)
        for _ in range(3):
            wanted = emit(database)

            assert until(lambda: ids(vhost), 20) == wanted
