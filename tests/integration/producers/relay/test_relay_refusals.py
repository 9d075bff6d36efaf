"""Tests of rows that RabbitMQ refuses: sent again later, without delaying others, and parked in the end."""

from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from certline.models import Database, Queue
from certline.models.events.outbox import MOST_TRIES, Outbox
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import emit, unroutable
from tests.integration.producers.rabbit import channel_to, ids, rows, running, waiting
from tests.servers import RabbitServer, until

REFUSE = '{"max-length": 0, "overflow": "reject-publish"}'


@pytest.mark.slow
def test_deleted_queues_are_declared_again_and_their_rows_arrive_at_once(
    database: Database, relay: Relay, vhost: str
) -> None:
    with channel_to(vhost) as channel:
        for queue in Queue:
            channel.queue_delete(queue.value)
    with database.transaction() as db:
        for queue in Queue:
            db.add(Outbox(event_id=str(uuid4()), exchange="", routing_key=queue.value, body={}))

    assert relay.pump() == len(Queue)

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


@pytest.mark.slow
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
