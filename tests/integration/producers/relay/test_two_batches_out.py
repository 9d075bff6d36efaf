"""Tests of the relay with two batches outstanding at RabbitMQ: what becomes of one costs the other nothing."""

from collections.abc import Sequence
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import text

from certline.models import Database, Outbox, Queue
from certline.models.database.outage import OUTAGES
from certline.models.events.due import DueMessage
from certline.producers import relay as relay_module
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.shipment import Settled, Shipment
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import emit, sent, unroutable
from tests.integration.producers.rabbit import channel_to, ids, rows, waiting

BATCH = 3
NOBODY_STOPS = Event()
OTHERS_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class WatchedWire:
    """RabbitMQ's wire, with a list of what was sent and settled, by the number of the shipment."""

    def __init__(self, wire: RabbitWire) -> None:
        self._wire = wire
        self._shipments: list[Shipment] = []
        self.steps: list[str] = []

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Send them."""
        self._shipments.append(self._wire.send(messages))
        self.steps.append(f"sent {len(self._shipments)}")
        return self._shipments[-1]

    def settle(self, shipment: Shipment) -> Settled:
        """Settle them."""
        self.steps += [
            f"settled {number}"
            for number, each in enumerate(self._shipments, 1)
            if each is shipment
        ]
        return self._wire.settle(shipment)


@pytest.fixture
def relay(database: Database, wire: RabbitWire, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """Return a relay with small batches."""
    monkeypatch.setattr(relay_module, "BATCH", BATCH)
    return Relay(database, wire)


def nowhere(database: Database) -> None:
    """Write a row for an exchange that does not exist, for which RabbitMQ closes the channel."""
    with database.transaction() as db:
        db.add(Outbox(event_id=str(uuid4()), exchange="nowhere", routing_key="x", body={}))


def refused(database: Database) -> list[bool]:
    """Return for each row whether RabbitMQ refused it, once or, on a slow machine, again a second later."""
    return [row.attempts > 0 for row in rows(database)]


def drain(relay: Relay) -> None:
    """Publish all that is due."""
    while relay.pump(NOBODY_STOPS):
        pass


@pytest.fixture
def watched(wire: RabbitWire) -> WatchedWire:
    """Return the wire, watched."""
    wire.tend()
    return WatchedWire(wire)


def test_a_batch_is_sent_before_the_last_one_is_settled(
    database: Database, watched: WatchedWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", BATCH)
    emit(database, 2 * BATCH + 1)

    drain(Relay(database, watched))  # type: ignore[arg-type]  # it needs no more

    assert watched.steps[:6] == [
        "sent 1",
        "sent 2",
        "settled 1",
        "sent 3",
        "settled 2",
        "settled 3",
    ]
    assert not waiting(database)


def test_a_row_that_closes_the_channel_costs_the_batch_behind_it_nothing(
    database: Database, relay: Relay, vhost: str
) -> None:
    wanted = emit(database, 1)
    nowhere(database)
    wanted += emit(database, 1 + BATCH)

    drain(relay)

    assert set(ids(vhost)) == set(wanted)
    assert sent(database) == [True, False] + [True] * (1 + BATCH)
    assert refused(database) == [False, True] + [False] * (1 + BATCH)


def test_a_row_that_closes_the_channel_costs_the_batch_before_it_nothing(
    database: Database, relay: Relay, vhost: str
) -> None:
    wanted = emit(database, BATCH + 1)
    nowhere(database)
    wanted += emit(database, 1)

    drain(relay)

    assert set(ids(vhost)) == set(wanted)
    assert sent(database) == [True] * (BATCH + 1) + [False, True]
    assert refused(database) == [False] * (BATCH + 1) + [True, False]


def test_in_each_of_two_batches_only_the_row_at_fault_is_refused(
    database: Database, relay: Relay, vhost: str
) -> None:
    wanted = []
    for _ in range(2):
        nowhere(database)
        wanted += emit(database, BATCH - 1)

    drain(relay)

    assert set(ids(vhost)) == set(wanted)
    assert sent(database) == [False, True, True] * 2
    assert refused(database) == [True, False, False] * 2


def test_a_deleted_queue_is_declared_again_for_both_batches(
    database: Database, relay: Relay, vhost: str
) -> None:
    with channel_to(vhost) as channel:
        channel.queue_delete(Queue.POLL.value)
    wanted = emit(database, 2 * BATCH)

    drain(relay)

    assert sorted(ids(vhost)) == sorted(wanted)
    assert not waiting(database)


def test_what_no_queue_takes_is_counted_in_its_own_batch(
    database: Database, relay: Relay, vhost: str
) -> None:
    wanted = emit(database, BATCH - 1)
    unroutable(database)
    wanted += emit(database, BATCH)

    drain(relay)

    assert ids(vhost) == wanted
    assert refused(database) == [False] * (BATCH - 1) + [True] + [False] * BATCH


def test_a_batch_that_was_out_when_postgres_was_lost_is_published_again(
    database: Database, wire: RabbitWire, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", BATCH)
    wanted = emit(database, 2 * BATCH)
    own = Database(database.url, pool_size=2)
    relay = Relay(own, wire)
    settle = wire.settle

    def settle_and_end(shipment: Shipment) -> Settled:
        settled = settle(shipment)
        with database.transaction() as db:
            db.execute(OTHERS_END)
        monkeypatch.setattr(wire, "settle", settle)
        return settled

    monkeypatch.setattr(wire, "settle", settle_and_end)
    with pytest.raises(OUTAGES):
        relay.pump(NOBODY_STOPS)
    assert waiting(database) == 2 * BATCH

    drain(relay)

    own.close()
    assert not waiting(database)
    assert sorted(ids(vhost)) == sorted(wanted * 2)
