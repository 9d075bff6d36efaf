"""deploy/rabbitmq/definitions.json on a RabbitMQ: each part does its work and no more, others neither."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import pytest
import requests
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from models import Database
from models.outbox import EVENTS, INGRESS, Queue, emit_event, emit_wake_up
from producers.relay import Relay
from simulator.server import Simulator
from tests.integration.misdeeds import REFUSED_TO_PARTS, REFUSED_TO_THE_SHOP
from tests.integration.producers.rabbit import a_wire, ids, rows
from tests.plant import Plant
from tests.servers import RabbitServer, open_rabbitmq
from tests.servers.rabbitmq import can_connect
from tests.told import some

ROOT = Path(__file__).parents[2]
DEFINITIONS = ROOT / "deploy" / "rabbitmq" / "definitions.json"
PASSWORD = "only for this test"
PARTS = ("worker", "relay", "ingress")


def definitions() -> dict[str, Any]:
    """The file."""
    return dict(json.loads(DEFINITIONS.read_text("utf-8")))


def url_of(server: RabbitServer, user: str) -> str:
    """The server's address for a user."""
    parts = urlsplit(server.url)
    place = f"{user}:{PASSWORD.replace(' ', '%20')}@{parts.hostname}:{parts.port}"
    return parts._replace(netloc=place).geturl()


@pytest.fixture(scope="module")
def defined() -> Iterator[tuple[RabbitServer, list[str]]]:
    """A RabbitMQ of its own with the definitions, then with passwords as operators give them; and who
    could log in before that.
    """
    with open_rabbitmq(private=True) as server:
        server.define(DEFINITIONS)
        users = [user["name"] for user in definitions()["users"]]
        let_in = [user for user in users if can_connect(url_of(server, user))]
        for user in users:
            server.ctl("change_password", user, PASSWORD)
        wire = a_wire("postgresql://nowhere", url_of(server, "certline-relay"))
        wire.open()  # every queue is there then
        wire.close()
        with pika.BlockingConnection(pika.URLParameters(server.url)) as operator:
            operator.channel().queue_declare("bank.events", durable=True)  # another system's
        yield server, let_in


@pytest.fixture
def broker(defined: tuple[RabbitServer, list[str]]) -> RabbitServer:
    """The RabbitMQ as it is after that."""
    return defined[0]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def relay(database: Database, broker: RabbitServer) -> Iterator[Relay]:
    """A relay under its own user, connected."""
    wire = a_wire(database.url, url_of(broker, "certline-relay"))
    wire.open()
    yield Relay(database, wire)
    wire.close()


@pytest.fixture
def shop(broker: RabbitServer) -> Iterator[Callable[[], BlockingChannel]]:
    """Makes a channel of an outside system; its queue is gone after."""
    opened = []

    def channel() -> BlockingChannel:
        opened.append(pika.BlockingConnection(pika.URLParameters(url_of(broker, "shop"))))
        made = opened[-1].channel()
        made.confirm_delivery()
        return made

    yield channel
    channel().queue_delete("shop.events")
    for connection in opened:
        if connection.is_open:
            connection.close()


def told(channel: BlockingChannel, queue: str = "shop.events") -> list[dict[str, Any]]:
    """The events that wait in a queue."""
    heard = []
    while (body := channel.basic_get(queue, auto_ack=True)[2]) is not None:
        heard.append(json.loads(body))
    return heard


def tell(database: Database, count: int) -> list[str]:
    """Have so many events go out; answers their ids."""
    with database.transaction() as db:
        for _ in range(count):
            emit_event(db, "order.held", some("order.held"), subject="01J", correlation_id=None)
    return [row.event_id for row in rows(database)]


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
        channel = shop()
        channel.queue_declare("shop.events", durable=True)
        channel.queue_bind("shop.events", EVENTS, "#")
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
        channel.connection.close()  # it is away while all happens

        plant.certline("command", "wait", str(command["id"]), "--timeout", "60")

        heard: list[dict[str, Any]] = []
        back = shop()
        for _, _, body in back.consume("shop.events", inactivity_timeout=60):
            assert body is not None, f"only {[event['type'] for event in heard]} were heard"
            event = json.loads(body)
            if event.get("correlationid") == command["id"]:  # not the account's sync
                heard.append(event)
            if event["type"] == "certificate.stored":
                break
    assert [event["type"] for event in heard] == [
        "order.placed",
        "order.pending",
        "order.issued",
        "certificate.stored",
    ]
    # The order's own step placed it; a step of the line's own has stored it.
    assert heard[0]["causationid"] == command["id"] != heard[-1]["causationid"]


@pytest.mark.parametrize("deed", REFUSED_TO_THE_SHOP)
def test_an_outside_system_may_not(deed: str, shop: Callable[[], BlockingChannel]) -> None:
    channel = shop()
    channel.queue_declare("shop.events", durable=True)

    with pytest.raises(ChannelClosedByBroker) as refusal:
        REFUSED_TO_THE_SHOP[deed](channel)

    # 403: not allowed. 406 is for a user_id that is not one's own.
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


def test_a_subscriber_that_was_away_misses_none_though_rabbitmq_was_restarted(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    shop: Callable[[], BlockingChannel],
) -> None:
    channel = shop()
    channel.queue_declare("shop.events", durable=True)
    channel.queue_bind("shop.events", EVENTS, "order.*")
    channel.connection.close()
    wanted = tell(database, 20)
    assert relay.pump() == 20

    broker.restart(immediate=False)

    assert [event["id"] for event in told(shop())] == wanted


def test_the_queues_of_others_are_limited_and_those_of_the_line_lose_nothing(
    broker: RabbitServer, shop: Callable[[], BlockingChannel]
) -> None:
    shop().queue_declare("shop.events", durable=True)

    listed = json.loads(broker.ctl("--formatter", "json", "list_queues", "name", "policy"))

    policy = {each["name"]: each["policy"] for each in listed}
    assert policy["shop.events"] == policy["bank.events"] == "certline-subscribers"
    ours = {name: limits for name, limits in policy.items() if name.startswith("certline.")}
    assert len(ours) == 1 + 3 * len(Queue)
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
    shop: Callable[[], BlockingChannel],
    tmp_path: Path,
) -> None:
    policies = {"policies": definitions()["policies"]}
    usual, small = tmp_path / "usual.json", tmp_path / "small.json"
    usual.write_text(json.dumps(policies))
    policies["policies"][0]["definition"]["max-length"] = 5
    small.write_text(json.dumps(policies))
    broker.define(small)
    channel = shop()
    channel.queue_declare("shop.events", durable=True)
    channel.queue_bind("shop.events", EVENTS, "#")
    wanted = tell(database, 12)

    assert relay.pump() == 12

    assert [event["id"] for event in told(channel)] == wanted[-5:]
    broker.define(usual)


def test_a_subscriber_whose_queue_refuses_events_harms_itself_alone(
    database: Database,
    broker: RabbitServer,
    relay: Relay,
    shop: Callable[[], BlockingChannel],
) -> None:
    channel = shop()
    channel.queue_declare("shop.events", durable=True)
    refusing = {"x-max-length": 0, "x-overflow": "reject-publish"}
    channel.queue_declare("shop.full", durable=True, arguments=refusing)
    for queue in ("shop.events", "shop.full"):
        channel.queue_bind(queue, EVENTS, "#")
    [event] = tell(database, 1)
    with database.transaction() as db:
        emit_wake_up(db, "poll", str(uuid4()))
    ids(broker.url, Queue.POLL)  # what other tests have left

    assert relay.pump() == 1

    assert len(ids(broker.url, Queue.POLL)) == 1
    assert [each["id"] for each in told(channel)] == [event]
    channel.queue_delete("shop.full")
