"""Helpers for RabbitMQ: queues, and a relay that publishes to them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pydantic import SecretStr
from sqlalchemy import func, select, text

from certline.models import Database, Outbox, Queue
from certline.models.database.relay_bell import WAKE_CHANNEL
from certline.models.settings import Settings
from certline.producers.messaging.publisher import RabbitWire, wire_of
from certline.producers.relay import Relay
from certline.workers.process.broker import make_broker


@contextmanager
def open_wire(database_url: str, rabbitmq_url: str) -> Iterator[RabbitWire]:
    """Yield a wire to that RabbitMQ, connected, with every queue declared and empty."""
    wire = a_wire(database_url, rabbitmq_url)
    wire.open()
    with channel_to(rabbitmq_url) as channel:
        for queue in Queue:
            channel.queue_purge(queue.value)
    try:
        yield wire
    finally:
        wire.close()


def a_wire(database_url: str, rabbitmq_url: str) -> RabbitWire:
    """Return a wire to that RabbitMQ, not yet connected, built as the relay's process builds it."""
    settings = Settings(database_url=SecretStr(database_url), rabbitmq_url=SecretStr(rabbitmq_url))
    wire = wire_of(make_broker(settings))
    assert isinstance(wire, RabbitWire)
    return wire


@contextmanager
def running(database: Database, rabbitmq_url: str) -> Iterator[Relay]:
    """Run a relay in a thread, and check at the end that it stopped cleanly."""
    own = Database(database.url, pool_size=2)
    relay = Relay(own, a_wire(database.url, rabbitmq_url))
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        stop.set()
        with database.transaction() as db:
            db.execute(text(f"NOTIFY {WAKE_CHANNEL}"))
        thread.join(60)
        own.close()
        assert not thread.is_alive()


@contextmanager
def channel_to(rabbitmq_url: str) -> Iterator[BlockingChannel]:
    """Yield a channel on a connection of the test's own."""
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        yield connection.channel()


def taken(rabbitmq_url: str, queue: str) -> list[tuple[Any, Any, bytes]]:
    """Take everything that waits out of a queue: (delivery, properties, body)."""
    messages = []
    with channel_to(rabbitmq_url) as channel:
        while (message := channel.basic_get(queue, auto_ack=True))[0] is not None:
            messages.append(message)
    return messages


def ids(rabbitmq_url: str, queue: str = Queue.POLL) -> list[str]:
    """Take all waiting messages out of a queue and return their ids."""
    return [properties.message_id for _, properties, _ in taken(rabbitmq_url, queue)]


def waiting(database: Database) -> int:
    """Count the rows that have not been sent."""
    with database.transaction() as db:
        query = select(func.count()).select_from(Outbox).where(Outbox.sent_at.is_(None))
        return db.scalar(query) or 0


def rows(database: Database) -> list[Outbox]:
    """Return every row, in the order in which they were written."""
    with database.transaction() as db:
        return list(db.scalars(select(Outbox).order_by(Outbox.id)))
