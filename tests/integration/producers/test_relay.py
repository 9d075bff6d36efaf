"""What is in the outbox reaches RabbitMQ, whatever happens to either of them."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from models import Database, Queue
from models.outbox import COMMANDS, EVENTS, MOST_TRIES, Outbox, emit_event, emit_wake_up
from producers import relay as relay_module
from producers.relay import Relay
from producers.wire import RabbitWire, WireDownError
from tests.integration.producers.rabbit import (
    a_wire,
    channel_to,
    ids,
    open_wire,
    rows,
    running,
    taken,
    waiting,
)
from tests.servers import RabbitServer, until
from tests.told import some

OTHERS_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)

REFUSE = '{"max-length": 0, "overflow": "reject-publish"}'


@pytest.fixture
def wire(database: Database, vhost: str) -> Iterator[RabbitWire]:
    """A wire to the module's vhost, whose queues are empty."""
    with open_wire(database.url, vhost) as wire:
        yield wire


@pytest.fixture
def relay(database: Database, wire: RabbitWire) -> Relay:
    """A relay that sends a batch when it is told to."""
    return Relay(database, wire)


def emit(database: Database, count: int = 1, kind: str = "poll", seconds: float = 0) -> list[str]:
    """Write wake-ups; answers their ids, in order."""
    before = len(rows(database))
    with database.transaction() as db:
        for number in range(count):
            emit_wake_up(db, kind, str(number), after=timedelta(seconds=seconds))
    return [row.event_id for row in rows(database)[before:]]


def unroutable(database: Database) -> None:
    """Write a row for an exchange that passes it on to no queue."""
    with database.transaction() as db:
        event = "0190aaaa-0000-7000-8000-000000000000"
        db.add(Outbox(event_id=event, exchange=COMMANDS, routing_key="nobody", body={}))


def sent(database: Database) -> list[bool]:
    """Which rows are marked as sent."""
    return [row.sent_at is not None for row in rows(database)]


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


def test_deleted_queues_are_declared_again_and_their_rows_arrive(
    database: Database, relay: Relay, vhost: str
) -> None:
    with channel_to(vhost) as channel:
        for queue in Queue:
            channel.queue_delete(queue.value)
    with database.transaction() as db:
        for queue in Queue:
            db.add(Outbox(event_id=str(uuid4()), exchange="", routing_key=queue.value, body={}))

    first = relay.pump()
    until(lambda: relay.pump() or not waiting(database), 20)

    # The first refusal declares all of them, so the other rows lose nothing by it.
    assert first == len(Queue) - 1
    assert [ids(vhost, queue) for queue in Queue] == [[row.event_id] for row in rows(database)]


def test_a_queue_that_is_deleted_while_the_relay_runs_is_declared_again(
    database: Database, wire: RabbitWire, vhost: str
) -> None:
    wire.tend()
    with running(database, vhost) as relay:
        until(lambda: relay.beat, 20)
        with channel_to(vhost) as channel:
            channel.queue_delete(Queue.POLL.value)
        wanted = emit(database)
        until(lambda: not waiting(database), 20)

    assert ids(vhost) == wanted


def test_a_refused_row_waits_and_holds_nobody_up(
    database: Database, relay: Relay, vhost: str
) -> None:
    unroutable(database)
    wanted = emit(database, 2)

    assert relay.pump() == 2

    refused = rows(database)[0]
    assert ids(vhost) == wanted
    assert (refused.sent_at, refused.attempts) == (None, 1)
    assert refused.not_before > refused.created_at
    assert "nobody" in str(refused.last_error)
    assert relay.pump() == 0


def test_a_queue_that_is_full_holds_up_no_other(
    database: Database, relay: Relay, vhost: str, rabbitmq: RabbitServer
) -> None:
    name = unquote(urlsplit(vhost).path.removeprefix("/"))
    rabbitmq.ctl("set_policy", "-p", name, "full", "certline.bulk", REFUSE, "--apply-to", "queues")
    until(lambda: "full" in rabbitmq.ctl("list_queues", "-p", name, "name", "policy"), 20)
    emit(database, kind="sync")
    wanted = emit(database)

    count = relay.pump()
    rabbitmq.ctl("clear_policy", "-p", name, "full")

    assert count == 1
    assert ids(vhost) == wanted
    assert "nack" in str(rows(database)[0].last_error)
    until(lambda: "full" not in rabbitmq.ctl("list_queues", "-p", name, "name", "policy"), 20)
    with running(database, vhost):
        until(lambda: not waiting(database), 30)
    assert ids(vhost, Queue.BULK) == [rows(database)[0].event_id]


def test_each_refusal_doubles_the_wait_up_to_five_minutes(database: Database, relay: Relay) -> None:
    unroutable(database)
    waits = []

    for _ in range(MOST_TRIES - 1):
        relay.pump()
        with database.transaction() as db:
            waited = text("SELECT extract(epoch FROM not_before - now()) FROM outbox")
            waits.append(float(db.scalar(waited) or 0))
            db.execute(text("UPDATE outbox SET not_before = now()"))

    expected = [min(300, 2**tries) for tries in range(MOST_TRIES - 1)]
    assert [pytest.approx(wait, abs=1) for wait in expected] == waits


def test_a_row_that_is_refused_for_good_is_parked(database: Database, relay: Relay) -> None:
    unroutable(database)
    with database.transaction() as db:
        db.execute(text("UPDATE outbox SET attempts = :tries"), {"tries": MOST_TRIES - 1})

    relay.pump()

    row = rows(database)[0]
    assert (row.attempts, row.sent_at) == (MOST_TRIES, None)
    assert row.parked_at is not None
    with database.transaction() as db:
        db.execute(text("UPDATE outbox SET not_before = now()"))
    relay.pump()
    assert rows(database)[0].attempts == MOST_TRIES


def test_connections_that_rabbitmq_closes_cost_no_row(
    database: Database, wire: RabbitWire, vhost: str, rabbitmq: RabbitServer
) -> None:
    wire.tend()
    name = unquote(urlsplit(vhost).path.removeprefix("/"))
    wanted = []
    with running(database, vhost):
        for _ in range(2):
            wanted += emit(database, 50)
            rabbitmq.ctl("close_all_connections", "--vhost", name, "a test")
            wanted += emit(database, 50)
            until(lambda: not waiting(database), 30)

    assert set(ids(vhost)) == set(wanted)


def test_a_rabbitmq_that_was_away_gets_what_was_written_meanwhile(
    database: Database, private_rabbitmq: RabbitServer
) -> None:
    url = private_rabbitmq.url
    with running(database, url):
        wanted = emit(database, 5)
        until(lambda: not waiting(database), 30)
        private_rabbitmq.stop()
        wanted += emit(database, 5)
        private_rabbitmq.start()
        until(lambda: not waiting(database), 60)

    assert set(ids(url)) == set(wanted)


def test_a_relay_without_rabbitmq_marks_nothing(database: Database) -> None:
    emit(database)
    wire = a_wire(database.url, "amqp://127.0.0.1:1/?connection_attempts=1")

    with pytest.raises(WireDownError):
        Relay(database, wire).pump()

    assert sent(database) == [False]
    assert rows(database)[0].attempts == 0


def test_connections_that_postgres_closes_cost_no_row(
    database: Database, wire: RabbitWire, vhost: str
) -> None:
    wire.tend()
    with running(database, vhost) as relay:
        wanted = emit(database, 20)
        until(lambda: not waiting(database), 30)
        with database.transaction() as db:
            db.execute(OTHERS_END)
        wanted += until(lambda: emit(database, 20), 10)
        until(lambda: not waiting(database), 30)
        assert relay.fault() is None

    assert set(ids(vhost)) == set(wanted)


def test_an_event_reaches_those_who_asked_for_its_type(
    database: Database, relay: Relay, vhost: str
) -> None:
    with channel_to(vhost) as channel:
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, EVENTS, "order.*")
        with database.transaction() as db:
            emit_event(db, "order.issued", some("order.issued"), subject="01J", correlation_id=None)
            emit_event(
                db, "license.released", some("license.released"), subject=None, correlation_id=None
            )

        assert relay.pump() == 2

        delivery, properties, body = channel.basic_get(queue, auto_ack=True)
        assert delivery.routing_key == json.loads(body)["type"] == "order.issued"
        assert properties.content_type == "application/cloudevents+json"
        assert channel.basic_get(queue)[0] is None


def test_an_event_that_nobody_asked_for_is_no_fault(database: Database, relay: Relay) -> None:
    with database.transaction() as db:
        emit_event(db, "order.issued", some("order.issued"), subject=None, correlation_id=None)

    assert relay.pump() == 1

    [row] = rows(database)
    assert (row.attempts, row.last_error) == (0, None)


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


def test_a_relay_that_has_not_reached_its_servers_says_so(database: Database, vhost: str) -> None:
    relay = Relay(database, a_wire(database.url, vhost))

    assert relay.fault() == "has not reached its servers yet"
