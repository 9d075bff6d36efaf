"""Other systems: the commands they send, the events they receive, and an ingress between."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika
from cryptography.fernet import Fernet
from dramatiq.common import xq_name
from sqlalchemy import func, select

from certline.models import Command, Database, DeadLetter, Outbox, Queue
from certline.models.events.outbox import COMMANDS, EVENTS, INGRESS
from certline.models.vault import Vault
from certline.producers.ingress import Ingress
from certline.producers.messaging.publisher import RabbitWire
from tests.integration.producers.rabbit import a_wire, channel_to, open_wire
from tests.servers import until

VAULT = Vault(Fernet.generate_key().decode())
USER = "guest"
SHOP = "//shop.nordhafen.example"
ORDER = {
    "common_name": "www.nordhafen.example",
    "organization": "Nordhafen University",
    "profile": "OV Multi-Domain SSL",
    "term": 90,
}


def an_event(name: str = "order", /, **attributes: Any) -> dict[str, Any]:
    """Return a valid command as another system sends it, changed by the given attributes."""
    usual = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": SHOP,
        "type": f"certline.command.{name}.v1",
        "data": ORDER if name == "order" else {},
    }
    return usual | attributes


def user_of(rabbitmq_url: str) -> str:
    """Return the user in a URL of RabbitMQ."""
    return unquote(urlsplit(rabbitmq_url).username or USER)


class Sender:
    """A connection of another system."""

    def __init__(self, rabbitmq_url: str) -> None:
        self.url = rabbitmq_url
        self.connection = pika.BlockingConnection(pika.URLParameters(rabbitmq_url))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def send(
        self,
        event: dict[str, Any] | bytes,
        *,
        exchange: str = COMMANDS,
        key: str | None = None,
        **properties: Any,
    ) -> None:
        """Publish a command by its routing key, or any bytes, and wait for RabbitMQ's confirm."""
        properties.setdefault("user_id", user_of(self.url))
        if isinstance(event, bytes):
            body, named = event, "order"
        else:
            body, named = json.dumps(event).encode(), str(event.get("type", "...")).split(".")[2]
        self.channel.basic_publish(
            exchange,
            named if key is None else key,
            body,
            pika.BasicProperties(delivery_mode=2, **properties),
            mandatory=True,
        )


@contextmanager
def sending(rabbitmq_url: str) -> Iterator[Sender]:
    """Yield another system's connection, closed afterwards."""
    sender = Sender(rabbitmq_url)
    try:
        yield sender
    finally:
        if sender.connection.is_open:
            sender.connection.close()


def empty(database_url: str, rabbitmq_url: str) -> None:
    """Declare every queue, and purge those that an ingress consumes."""
    with open_wire(database_url, rabbitmq_url), channel_to(rabbitmq_url) as channel:
        for name in (INGRESS, *(xq_name(queue.value) for queue in Queue)):
            channel.queue_purge(name)


@contextmanager
def taking(
    database: Database, rabbitmq_url: str, wire: RabbitWire | None = None
) -> Iterator[Ingress]:
    """Run an ingress in a thread, and check at the end that it stopped cleanly."""
    own = Database(database.url, pool_size=2)
    ingress = Ingress(own, VAULT, wire or a_wire(database.url, rabbitmq_url))
    stop = threading.Event()
    thread = threading.Thread(target=ingress.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield ingress
    finally:
        stop.set()
        thread.join(60)
        own.close()
        assert not thread.is_alive()


def left(rabbitmq_url: str, queue: str = INGRESS) -> int:
    """Count the messages that wait in a queue, not delivered to a consumer."""
    with channel_to(rabbitmq_url) as channel:
        waiting: int = channel.queue_declare(queue, passive=True).method.message_count
    return waiting


def commands(database: Database) -> list[Command]:
    """Return every command, ordered by id."""
    with database.transaction() as db:
        return list(db.scalars(select(Command).order_by(Command.id)))


def a_command(database: Database) -> Command:
    """Wait for the one command and return it."""
    [command] = until(lambda: commands(database), 30)
    return command


def letters(database: Database) -> list[DeadLetter]:
    """Return every dead letter, in order of receipt."""
    with database.transaction() as db:
        return list(db.scalars(select(DeadLetter).order_by(DeadLetter.received_at)))


def counts(database: Database) -> tuple[int, int]:
    """Return the numbers of commands and of dead letters."""
    with database.transaction() as db:
        tables = (Command, DeadLetter)
        found = [db.scalar(select(func.count()).select_from(table)) or 0 for table in tables]
    return found[0], found[1]


def a_letter(database: Database) -> DeadLetter:
    """Wait for the one dead letter and return it."""
    [letter] = until(lambda: letters(database), 30)
    return letter


def events(database: Database, kind: str) -> list[dict[str, Any]]:
    """Return the events of a type, sent or waiting, in order."""
    with database.transaction() as db:
        query = select(Outbox).where(Outbox.exchange == EVENTS, Outbox.routing_key == kind)
        return [row.body for row in db.scalars(query.order_by(Outbox.id))]
