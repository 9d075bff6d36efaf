"""Tests of RabbitMQ permissions: no login without a password; each user may do only its own work."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pika
import pytest
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from certline.models.events.outbox import EVENTS
from certline.producers.witness.store import WitnessQueue
from certline.simulator.server import Simulator
from tests.integration.definitions.conftest import DEFINITIONS, definitions, url_of
from tests.integration.misdeeds import REFUSED_TO_PARTS, REFUSED_TO_THE_SHOP
from tests.integration.producers.rabbit import a_wire
from tests.servers import RabbitServer, until
from tests.servers.rabbit_server import can_connect
from tests.support.deployment import Plant

pytestmark = pytest.mark.slow

PARTS = ("worker", "relay", "ingress")


def test_there_is_no_password_in_the_file_and_nobody_gets_in_without_one(
    defined: tuple[RabbitServer, list[str]],
) -> None:
    text = DEFINITIONS.read_text("utf-8")

    assert {user["password_hash"] for user in definitions()["users"]} == {""}
    assert '"password"' not in text
    assert {user["tags"] for user in definitions()["users"]} == {""}
    assert defined[1] == []
    assert can_connect(url_of(defined[0], "shop"))


def test_an_outside_system_orders_and_hears_of_its_certificate_with_each_part_as_its_own_user(
    broker: RabbitServer,
    shop: Callable[[], BlockingChannel],
    database_url: str,
    simulator: Simulator,
) -> None:
    requests.post(f"{simulator.door}/settings", json={"issue_after_ms": 200}, timeout=30)
    with Plant(database_url, broker.url) as plant:
        for part in PARTS:
            plant.environment["CERTLINE_RABBITMQ_URL"] = url_of(broker, f"certline-{part}")
            plant.start(part)
        plant.add_account(simulator.url)
        plant.certline(
            "sender", "add", "shop", "--amqp-user", "shop", "--names", "*.nordhafen.example"
        )
        channel = shop()
        channel.queue_declare("shop.events", durable=True)
        channel.queue_bind("shop.events", EVENTS, "sender.shop.#")
        # An operator's order, of which the shop hears nothing.
        plant.order("pay.nordhafen.example")
        command = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "//shop.nordhafen.example",
            "type": "certline.command.order.v1",
            "data": {
                "common_name": "www.nordhafen.example",
                "organization": "Nordhafen University",
                "profile": "OV Multi-Domain SSL",
                "term": 90,
            },
        }
        properties = pika.BasicProperties(delivery_mode=2, user_id="shop")
        channel.basic_publish(
            "certline.commands", "order", json.dumps(command), properties, mandatory=True
        )
        channel.connection.close()  # it is disconnected while everything happens

        # The ingress may need longer to accept it than `command wait` needs to start.
        until(lambda: plant.knows(str(command["id"])), 60)
        plant.certline("command", "wait", str(command["id"]), "--timeout", "60")

        heard: list[dict[str, Any]] = []
        back = shop()
        for method, properties, body in back.consume("shop.events", inactivity_timeout=60):
            assert body is not None, f"only {[event['type'] for event in heard]} were heard"
            event = json.loads(body)
            assert method is not None
            assert method.routing_key == event["type"]
            assert (properties.headers or {}).keys().isdisjoint({"BCC", "CC"})
            heard.append(event)
            if event["type"] == "certificate.stored":
                break
    assert [event["type"] for event in heard] == [
        "order.placed",
        "order.pending",
        "order.issued",
        "certificate.stored",
    ]
    assert {event.get("correlationid") for event in heard} == {command["id"]}
    # The order's own step placed it; a follow-up emitted by certline stored it.
    assert heard[0]["causationid"] == command["id"] != heard[-1]["causationid"]


def test_the_relay_may_keep_and_read_the_witness(broker: RabbitServer) -> None:
    wire = a_wire("postgresql://nowhere", url_of(broker, "certline-relay"))
    queue = WitnessQueue(wire, quorum=False)
    queue.read()

    assert queue.write(b"kept")
    assert queue.read() == b"kept"
    wire.close()


@pytest.mark.parametrize("deed", REFUSED_TO_THE_SHOP)
def test_an_outside_system_may_not(deed: str, shop: Callable[[], BlockingChannel]) -> None:
    channel = shop()
    channel.queue_declare("shop.events", durable=True)

    with pytest.raises(ChannelClosedByBroker) as refusal:
        REFUSED_TO_THE_SHOP[deed](channel)

    # 403: access refused. 406 is for a user_id other than one's own.
    assert refusal.value.reply_code == (406 if "user_id" in refusal.value.reply_text else 403)


@pytest.mark.parametrize(
    ("user", "deed"),
    [(user, number) for user, deeds in REFUSED_TO_PARTS.items() for number in range(len(deeds))],
    ids=str,
)
def test_a_part_may_not_do_the_work_of_others(user: str, deed: int, broker: RabbitServer) -> None:
    with pika.BlockingConnection(pika.URLParameters(url_of(broker, user))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()

        with pytest.raises(ChannelClosedByBroker) as refusal:
            REFUSED_TO_PARTS[user][deed][1](channel)

    assert refusal.value.reply_code == 403, REFUSED_TO_PARTS[user][deed][0]
