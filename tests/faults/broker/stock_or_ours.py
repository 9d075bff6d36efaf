"""One broker, stock or ours, with its own queue, and an outside publisher for it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any

import dramatiq
import pika
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.common import dq_name, xq_name
from pika.adapters.blocking_connection import BlockingChannel

from certline.workers.process.broker import HardenedBroker, connection_url
from tests.servers import until

# Longer than a connection or a delivery ever takes on a busy machine, in seconds.
PATIENCE = 20

_numbers = count(1)


class Kind(StrEnum):
    """The broker under test."""

    STOCK = "stock"
    OURS = "ours"


class StockOnQuorum(RabbitmqBroker):
    """The stock broker on quorum queues, with a delivery limit as is often configured."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        return arguments | {"x-queue-type": "quorum", "x-delivery-limit": 3}


def broker_of(kind: Kind, url: str, *, quorum: bool = False) -> RabbitmqBroker:
    """Return a broker; the stock one with publisher confirms, so that its losses have another cause."""
    if kind is Kind.OURS:
        return HardenedBroker(url=[connection_url(url)], quorum=quorum)
    make = StockOnQuorum if quorum else RabbitmqBroker
    return make(url=connection_url(url), confirm_delivery=True)


@dataclass
class Left:
    """Ids of the messages still in a queue, its delay queue and its dead-letter queue."""

    waiting: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.delayed) + len(self.dead)


class Stage:
    """A broker with one actor, `note`, that records the messages it is run for."""

    def __init__(self, broker: RabbitmqBroker, url: str) -> None:
        self.broker = broker
        self.url = url
        self.queue = f"fault{next(_numbers)}"
        self.ran: list[str] = []
        self.act: Callable[[str], None] = lambda _name: None
        self._left = Left()
        # Milliseconds: retried only long after the test has ended.
        declare = dramatiq.actor(
            actor_name="note", queue_name=self.queue, min_backoff=600_000, broker=broker
        )
        declare(self._note)
        broker.declare_queue(self.queue, ensure=True)

    def _note(self, name: str) -> None:
        self.ran.append(name)
        self.act(name)

    def publish(self, name: str, **fields: Any) -> None:
        """Publish a message with that id for `note`, well-formed apart from the fields given."""
        body = {
            "queue_name": self.queue,
            "actor_name": "note",
            "args": [name],
            "kwargs": {},
            "options": {},
            "message_id": name,
            "message_timestamp": 1764000000000,
        }
        with channel_to(self.url) as channel:
            channel.confirm_delivery()
            channel.basic_publish("", self.queue, json.dumps(body | fields).encode())

    def consume(self) -> Consumer:
        """Return a consumer of the queue that takes one message at a time."""
        consumer: Consumer = self.broker.consume(self.queue, prefetch=1, timeout=50)
        return consumer

    @contextmanager
    def working(self) -> Iterator[dramatiq.Worker]:
        """Run a worker with one thread; it finishes started messages at the end of the block."""
        worker = dramatiq.Worker(
            self.broker, queues={self.queue}, worker_timeout=50, worker_threads=1
        )
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()

    def has_run(self, *names: str) -> None:
        """Wait until `note` has been run for all of these."""
        until(lambda: set(names) <= set(self.ran), PATIENCE)

    def left(self, at_least: int = 0) -> Left:
        """Take out and return all that is left, once it is `at_least` so many: dead-lettering is asynchronous."""

        def found() -> bool:
            self._left.waiting += ids(self.url, self.queue)
            self._left.delayed += ids(self.url, dq_name(self.queue))
            self._left.dead += ids(self.url, xq_name(self.queue))
            return len(self._left) >= at_least

        until(found, PATIENCE)
        return self._left


@contextmanager
def channel_to(url: str) -> Iterator[BlockingChannel]:
    """Yield a channel on a connection of the test's own."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def version_of(url: str) -> tuple[int, ...]:
    """Return RabbitMQ's version (major, minor), as it reports it to clients."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        told = connection._impl.server_properties["version"]
    return tuple(int(part) for part in re.findall(r"\d+", told)[:2])


def ids(url: str, queue: str) -> list[str]:
    """Take all waiting messages out of a queue and return their ids."""
    found = []
    with channel_to(url) as channel:
        while (message := channel.basic_get(queue, auto_ack=True))[0] is not None:
            found.append(json.loads(message[2])["message_id"])
    return found


def delivered(consumer: Consumer) -> MessageProxy:
    """Return the next message that RabbitMQ delivers."""
    message = until(lambda: next(consumer), PATIENCE)
    assert message is not None
    return message
