"""Tests of deliveries: each event goes to every webhook subscribed to it, signed, normally once, never lost."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from certline.models import Command, CommandStatus, Outbox
from certline.models.events.due import DueMessage
from certline.models.events.outbox import EVENTS, MOST_TRIES, emit_event, send_last_event_again
from certline.models.webhook import hand_to_webhooks
from certline.producers.messaging.shipment import Settled, Shipment
from certline.producers.relay import Relay
from certline.producers.retention import Keep, Retention
from tests.integration.webhooks.conftest import Post
from tests.integration.webhooks.receivers import TAKEN, is_signed
from tests.support.documented_events import faults, some
from tests.unit.scm.odd_server import OddServer, http

ID = "0190aaaa-0000-7000-8000-000000000000"


def test_an_event_is_posted_as_the_cloudevent_that_rabbitmq_has_and_signed(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        added = line.add(f"{receiver.url}/certline", "order.*")
        line.tell("order.held", correlation_id=ID)
        assert line.run() == 1

    [seen] = receiver.seen
    event = json.loads(seen.body)
    with line.database.transaction() as db:
        row = db.scalars(select(Outbox).where(Outbox.exchange == EVENTS)).one()
    assert seen.target == "POST /certline"
    assert seen.headers["content-type"] == "application/cloudevents+json"
    assert seen.body == row.payload
    assert faults("events.order.held", event) == []
    assert seen.headers["webhook-id"] == event["id"]
    assert abs(time.time() - int(seen.headers["webhook-timestamp"])) < 300
    assert is_signed(seen, added.secret)
    [delivery] = line.deliveries()
    assert delivery.status is CommandStatus.DONE
    assert delivery.result == {"outcome": "taken", "http_status": 204}
    assert (delivery.subject, delivery.correlation_id) == (added.webhook.id, ID)


def test_each_webhook_gets_what_it_wants_and_nothing_else(line: Post) -> None:
    with OddServer([TAKEN]) as shop, OddServer([TAKEN]) as bank:
        line.add(shop.url, "certificate.stored", "license.*")
        line.add(bank.url, "*.stored")
        for kind in ("certificate.stored", "license.exhausted", "order.held"):
            line.tell(kind)
        line.run()

        heard = [[seen.json()["type"] for seen in each.seen] for each in (shop, bank)]  # type: ignore[index]

    assert heard == [["certificate.stored", "license.exhausted"], ["certificate.stored"]]


def test_a_webhook_hears_of_what_happens_after_it_was_added(line: Post) -> None:
    with line.database.transaction() as db:
        emit_event(db, some("order.held"), subject="01J", correlation_id=None)
    line.add("http://127.0.0.1:1/")

    line.relay.pump()

    assert line.deliveries() == []


def test_without_webhooks_an_event_makes_no_delivery(line: Post) -> None:
    line.tell()

    assert line.deliveries() == []


def test_an_event_that_is_told_again_is_not_posted_again(line: Post) -> None:
    with OddServer([TAKEN]) as receiver:
        line.add(receiver.url)
        line.tell(correlation_id=ID)
        line.run()
        with line.database.transaction() as db:
            assert send_last_event_again(db, ID) == "order.held"

        line.relay.pump()
        line.run()

    assert len(receiver.seen) == len(line.deliveries()) == 1


def test_a_relay_that_dies_before_its_commit_has_handed_over_nothing_and_the_next_one_does_once(
    line: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.add("http://127.0.0.1:1/")

    def hand_over_and_die(*given: Any) -> None:
        hand_to_webhooks(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("certline.producers.relay.hand_to_webhooks", hand_over_and_die)
        with pytest.raises(KeyboardInterrupt):
            line.tell()
    assert line.deliveries() == []

    line.relay.pump()

    assert len(line.deliveries()) == 1


def test_an_event_that_rabbitmq_refuses_for_good_still_goes_to_webhooks(
    line: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def send(self, messages: list[DueMessage]) -> Shipment:
            return Shipment(settled=Settled(refused={message.id: "no" for message in messages}))

        def settle(self, shipment: Shipment) -> Settled:
            return shipment.settled

    line.add("http://127.0.0.1:1/")
    relay = Relay(line.database, Refusing())  # type: ignore[arg-type]  # it needs no more
    monkeypatch.setattr(line, "relay", relay)
    line.tell()
    assert line.deliveries() == []

    with line.database.transaction() as db:
        db.execute(update(Outbox).values(attempts=MOST_TRIES - 1, not_before=Outbox.created_at))
    relay.pump()

    assert len(line.deliveries()) == 1


def test_deliveries_that_came_about_are_forgotten_after_a_week(line: Post) -> None:
    with OddServer([TAKEN, TAKEN, http("404 Not Found")]) as receiver:
        line.add(receiver.url)
        for _ in range(3):
            line.tell()
        line.run()
    old, *_ = line.deliveries()
    with line.database.transaction() as db:
        db.get_one(Command, old.id).finished_at = datetime.now(UTC) - timedelta(days=8)

    assert Retention(line.database, Keep()).go_on() == {"deliveries": 1}

    assert old.id not in {delivery.id for delivery in line.deliveries()}
    assert len(line.deliveries()) == 2
