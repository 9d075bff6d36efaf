"""Tests of the relay's batches: many rows outstanding at once, the next batch claimed ahead, and none lost."""

from collections.abc import Sequence
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import select

from certline.models import Database, Outbox, Sender
from certline.models.commands.wake_up import emit_wake_up
from certline.models.events.due import DueMessage
from certline.models.events.outbox import emit_event
from certline.models.states import CommandType
from certline.producers import relay as relay_module
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.shipment import Settled, Shipment, WireDownError
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import emit, sent
from tests.integration.producers.rabbit import ids, rows, running, waiting
from tests.servers import until
from tests.support.documented_events import some
from tests.support.statements import statements_of


class FailingWire:
    """A wire to a broker that is lost after it has confirmed the first `confirms` messages of each batch."""

    def __init__(self, confirms: int) -> None:
        self.confirms = confirms
        self.sent: list[Sequence[DueMessage]] = []

    def send(self, messages: Sequence[DueMessage]) -> Shipment:
        """Note them."""
        self.sent.append(messages)
        return Shipment({message.id: message for message in messages})

    def settle(self, shipment: Shipment) -> Settled:
        """Confirm some, and be lost."""
        confirmed = list(shipment.pending.values())[: self.confirms]
        return Settled(confirmed, down=WireDownError("lost"))


def test_what_was_confirmed_before_the_broker_was_lost_is_not_sent_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "BATCH", 5)
    emit(database, 8)
    wire = FailingWire(confirms=2)
    relay = Relay(database, wire)  # type: ignore[arg-type]  # it needs no more

    with pytest.raises(WireDownError):
        relay.pump(Event())

    # Of the next batch, too, which was out already.
    assert sent(database) == [True] * 2 + [False] * 3 + [True] * 2 + [False]
    assert [row.attempts for row in rows(database)] == [0] * 8


def test_after_a_failure_one_row_is_tried_before_many_are(database: Database) -> None:
    emit(database, 8)
    wire = FailingWire(confirms=0)
    relay = Relay(database, wire)  # type: ignore[arg-type]  # it needs no more

    for _ in range(2):
        with pytest.raises(WireDownError):
            relay.pump()

    assert [len(messages) for messages in wire.sent] == [8, 1]


def test_many_batches_arrive_completely_and_in_order(
    database: Database, wire: RabbitWire, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.tend()
    monkeypatch.setattr(relay_module, "BATCH", 5)
    with running(database, vhost):
        wanted = emit(database, 23)
        until(lambda: not waiting(database), 20)

    assert ids(vhost) == wanted


def test_a_relay_that_is_stopped_leaves_no_row_claimed(
    database: Database, wire: RabbitWire, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.tend()
    monkeypatch.setattr(relay_module, "BATCH", 5)
    wanted = emit(database, 500)
    with running(database, vhost):
        pass

    left = [row.event_id for row in rows(database) if row.sent_at is None]
    assert ids(vhost) + left == wanted


def test_a_message_larger_than_a_frame_arrives_between_its_neighbours(
    database: Database, relay: Relay, vhost: str
) -> None:
    large = {"x": "y" * 300_000}
    with database.transaction() as db:
        emit_wake_up(db, CommandType.POLL, "1")
        db.flush()
        db.add(Outbox(event_id=str(uuid4()), exchange="", routing_key="certline.poll", body=large))
        db.flush()
        emit_wake_up(db, CommandType.POLL, "2")

    assert relay.pump() == 3

    assert ids(vhost) == [row.event_id for row in rows(database)]


def test_a_row_for_which_the_channel_is_closed_costs_its_neighbours_nothing(
    database: Database, relay: Relay, vhost: str
) -> None:
    before = emit(database, 2)
    with database.transaction() as db:
        db.add(Outbox(event_id=str(uuid4()), exchange="nowhere", routing_key="x", body={}))
    after = emit(database, 2)

    assert relay.pump() == 4

    assert sent(database) == [True, True, False, True, True]
    # Those before it may come twice, if it closed the channel before their confirms.
    assert set(ids(vhost)) == set(before + after)
    assert rows(database)[2].attempts == 1


def test_a_batch_costs_one_statement_where_there_are_neither_senders_nor_webhooks(
    database: Database, wire: RabbitWire
) -> None:
    with database.transaction() as db:
        for sender in db.scalars(select(Sender)):
            db.delete(sender)
        emit_wake_up(db, CommandType.POLL, "1")
        emit_event(db, some("order.issued"), subject="01J", correlation_id=None)
    relay = Relay(database, wire)
    relay.pump()
    emit(database, 3)

    with statements_of(database) as found:
        relay.pump()

    assert len(found) == 1
