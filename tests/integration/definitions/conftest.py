"""Fixtures: a RabbitMQ with the definitions, a relay under its own user, and an outside system."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from certline.models import Database
from certline.producers.relay import Relay
from certline.producers.witness.store import WitnessQueue
from tests.integration.producers.rabbit import a_wire
from tests.servers import RabbitServer, open_rabbitmq
from tests.servers.rabbit_server import can_connect

ROOT = Path(__file__).parents[3]
DEFINITIONS = ROOT / "deploy" / "rabbitmq" / "definitions.json"
PASSWORD = "only for this test"


def definitions() -> dict[str, Any]:
    """Return the parsed definitions."""
    return dict(json.loads(DEFINITIONS.read_text("utf-8")))


def url_of(server: RabbitServer, user: str) -> str:
    """Return the server's URL for a user."""
    parts = urlsplit(server.url)
    place = f"{user}:{PASSWORD.replace(' ', '%20')}@{parts.hostname}:{parts.port}"
    return parts._replace(netloc=place).geturl()


@pytest.fixture(scope="package")
def defined() -> Iterator[tuple[RabbitServer, list[str]]]:
    """Yield a RabbitMQ with the definitions and with passwords set as operators do, and the users that could log
    in before the passwords were set.
    """
    with open_rabbitmq(private=True) as server:
        server.define(DEFINITIONS)
        users = [user["name"] for user in definitions()["users"]]
        let_in = [user for user in users if can_connect(url_of(server, user))]
        for user in users:
            server.ctl("change_password", user, PASSWORD)
        wire = a_wire("postgresql://nowhere", url_of(server, "certline-relay"))
        wire.open()  # every queue is declared then, but for the next one
        WitnessQueue(wire, quorum=False).read()
        wire.close()
        with pika.BlockingConnection(pika.URLParameters(server.url)) as operator:
            operator.channel().queue_declare("bank.events", durable=True)  # another system's
        yield server, let_in


@pytest.fixture
def broker(defined: tuple[RabbitServer, list[str]]) -> RabbitServer:
    """Return the RabbitMQ with definitions and passwords."""
    return defined[0]


@pytest.fixture
def relay(database: Database, broker: RabbitServer) -> Iterator[Relay]:
    """Yield a connected relay under its own user."""
    wire = a_wire(database.url, url_of(broker, "certline-relay"))
    wire.open()
    yield Relay(database, wire)
    wire.close()


@pytest.fixture
def monitor(broker: RabbitServer) -> Iterator[Callable[[], BlockingChannel]]:
    """Yield a factory of channels of a system that hears every event; its queue is deleted afterwards."""
    yield from channels(broker, "monitor")


@pytest.fixture
def shop(broker: RabbitServer) -> Iterator[Callable[[], BlockingChannel]]:
    """Yield a factory of channels of an outside system, whose queue is deleted afterwards."""
    yield from channels(broker, "shop")


def channels(broker: RabbitServer, user: str) -> Iterator[Callable[[], BlockingChannel]]:
    """Yield a factory of channels of a user, whose queue `USER.events` is deleted afterwards."""
    opened = []

    def channel() -> BlockingChannel:
        opened.append(pika.BlockingConnection(pika.URLParameters(url_of(broker, user))))
        made = opened[-1].channel()
        made.confirm_delivery()
        return made

    yield channel
    channel().queue_delete(f"{user}.events")
    for connection in opened:
        if connection.is_open:
            connection.close()
