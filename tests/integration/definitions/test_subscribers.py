"""Tests of subscribers: their events are kept, within limits, and they harm only themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from certline.models import Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.wake_up import emit_wake_up
from certline.models.events.outbox import EVENTS, INGRESS, emit_event
from certline.models.states import CommandType, Queue
from certline.producers.relay import Relay
from certline.producers.witness.store import WITNESS
from tests.integration.definitions.conftest import definitions
from tests.integration.producers.rabbit import ids, rows
from tests.servers import RabbitServer
from tests.support.documented_events import some
from tests.support.factories import an_order

pytestmark = pytest.mark.slow


def subscribed(channel: BlockingChannel, topic: str) -> BlockingChannel:
    """Declare a durable queue for the events of that topic. Returns the channel."""
    channel.queue_declare("monitor.events", durable=True)
    channel.queue_bind("monitor.events", EVENTS, topic)
    return channel


def told(channel: BlockingChannel, queue: str = "monitor.events") -> list[dict[str, Any]]:
    """Take the waiting events out of a queue."""
    heard = []
    while (body := channel.basic_get(queue, auto_ack=True)[2]) is not None:
        heard.append(json.loads(body))
    return heard


def tell(database: Database, count: int) -> list[str]:
    """Emit that many events. Returns their ids."""
    with database.transaction() as db:
        for _ in range(count):
            emit_event(db, some("order.held"), subject="01J", correlation_id=None)
    return [row.event_id for row in rows(database)]


def test_a_subscriber_that_was_away_misses_none_though_rabbitmq_was_restarted(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    monitor: Callable[[], BlockingChannel],
) -> None:
    subscribed(monitor(), "order.*").connection.close()
    wanted = tell(database, 20)
    assert relay.pump() == 20

    broker.restart(immediate=False)

    assert [event["id"] for event in told(monitor())] == wanted


def test_the_queues_of_others_are_limited_and_those_of_the_line_lose_nothing(
    broker: RabbitServer, monitor: Callable[[], BlockingChannel]
) -> None:
    monitor().queue_declare("monitor.events", durable=True)

    listed = json.loads(broker.ctl("--formatter", "json", "list_queues", "name", "policy"))

    policy = {each["name"]: each["policy"] for each in listed}
    assert policy["monitor.events"] == policy["bank.events"] == "certline-subscribers"
    ours = {name: limits for name, limits in policy.items() if name.startswith("certline.")}
    assert len(ours) == 3 * len(Queue) + len([INGRESS, WITNESS])
    # Of commands the newest are refused then, not confirmed, and sent again.
    assert {name: limits for name, limits in ours.items() if limits} == {
        INGRESS: "certline-commands-in"
    }
    limits = {each["name"]: each["definition"] for each in definitions()["policies"]}
    assert limits["certline-subscribers"] == {
        "max-length": 100_000,
        "max-length-bytes": 256 * 2**20,
        "message-ttl": 14 * 86_400_000,
        "overflow": "drop-head",
    }
    assert limits["certline-commands-in"]["overflow"] == "reject-publish"


def test_a_subscriber_that_is_too_slow_loses_its_oldest_events_and_holds_up_nobody(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    monitor: Callable[[], BlockingChannel],
    tmp_path: Path,
) -> None:
    policies = {"policies": definitions()["policies"]}
    usual, small = tmp_path / "usual.json", tmp_path / "small.json"
    usual.write_text(json.dumps(policies))
    policies["policies"][0]["definition"]["max-length"] = 5
    small.write_text(json.dumps(policies))
    broker.define(small)
    channel = subscribed(monitor(), "#")
    wanted = tell(database, 12)

    assert relay.pump() == 12

    assert [event["id"] for event in told(channel)] == wanted[-5:]
    broker.define(usual)


def test_a_subscriber_whose_queue_refuses_events_harms_itself_alone(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    monitor: Callable[[], BlockingChannel],
) -> None:
    channel = subscribed(monitor(), "#")
    refusing = {"x-max-length": 0, "x-overflow": "reject-publish"}
    channel.queue_declare("monitor.full", durable=True, arguments=refusing)
    channel.queue_bind("monitor.full", EVENTS, "#")
    [event] = tell(database, 1)
    with database.transaction() as db:
        emit_wake_up(db, CommandType.POLL, str(uuid4()))
    ids(broker.url, Queue.POLL)  # what other tests have left

    assert relay.pump() == 1

    assert len(ids(broker.url, Queue.POLL)) == 1
    assert [each["id"] for each in told(channel)] == [event]
    channel.queue_delete("monitor.full")


def test_each_sender_hears_what_concerns_it_and_once(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    monitor: Callable[[], BlockingChannel],
    shop: Callable[[], BlockingChannel],
) -> None:
    everything = subscribed(monitor(), "#")
    own = shop()
    own.queue_declare("shop.events", durable=True)
    own.queue_bind("shop.events", EVENTS, "sender.shop.#")
    own.queue_bind("shop.events", EVENTS, "sender.shop.order.held")
    with database.transaction() as db:
        mine, his = (
            accept(
                db,
                CommandType.ORDER,
                {"common_name": name},
                requested_by=Identity(f"amqp:{name}"),
                source="test",
                sender=name,
            )[0].id
            for name in ("shop", "bank")
        )
        order = an_order(db, command_id=mine).id
        for subject, command in (("01J", mine), ("01J", his), (order, None), ("01J", None)):
            emit_event(db, some("order.held"), subject=subject, correlation_id=command)
        emit_event(
            db, some("command.rejected"), subject="01J", correlation_id=None, senders=["shop"]
        )
    ids(broker.url, Queue.ORDER)

    relay.pump()

    heard = told(own, "shop.events")
    assert [(each["type"], each.get("correlationid"), each["subject"]) for each in heard] == [
        ("order.held", mine, "01J"),
        ("order.held", None, order),
        ("command.rejected", None, "01J"),
    ]
    assert len(told(everything)) == 5
