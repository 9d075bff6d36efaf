"""One broker, stock or ours, with a queue of its own, and a stranger who publishes to it."""

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

# Longer than a connection and a delivery ever take on a busy machine, in seconds.
PATIENCE = 20

_numbers = count(1)


class Kind(StrEnum):
    """Whose broker it is."""

    STOCK = "stock"
    OURS = "ours"


class StockOnQuorum(RabbitmqBroker):
    """The stock broker on quorum queues, with a limit that people like to set."""

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)  # type: ignore[no-untyped-call]
        return arguments | {"x-queue-type": "quorum", "x-delivery-limit": 3}


def broker_of(kind: Kind, url: str, *, quorum: bool = False) -> RabbitmqBroker:
    """A broker; the stock one with confirms, so that what it loses isn't lost for want of them."""
    if kind is Kind.OURS:
        return HardenedBroker(url=[connection_url(url)], quorum=quorum)
    make = StockOnQuorum if quorum else RabbitmqBroker
    return make(url=connection_url(url), confirm_delivery=True)


@dataclass
class Left:
    """The ids of the messages that a queue, its delays and its dead letters still hold."""

    waiting: list[str] = field(default_factory=list)
    delayed: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.waiting) + len(self.delayed) + len(self.dead)


class Stage:
    """A broker with one actor, `note`, that writes down the messages it is run for."""

    def __init__(self, broker: RabbitmqBroker, url: str) -> None:
        self.broker = broker
        self.url = url
        self.queue = f"fault{next(_numbers)}"
        self.ran: list[str] = []
        self.act: Callable[[str], None] = lambda _name: None
        self._left = Left()
        # Retried only long after the test has ended. Milliseconds.
        declare = dramatiq.actor(
            actor_name="note", queue_name=self.queue, min_backoff=600_000, broker=broker
        )
        declare(self._note)
        broker.declare_queue(self.queue, ensure=True)

    def _note(self, name: str) -> None:
        self.ran.append(name)
        self.act(name)

    def publish(self, name: str, **fields: Any) -> None:
        """Publish a message of that id for `note`, well-formed but for the fields given."""
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
        """A consumer of the queue that takes one message at a time."""
        consumer: Consumer = self.broker.consume(self.queue, prefetch=1, timeout=50)
        return consumer

    @contextmanager
    def working(self) -> Iterator[dramatiq.Worker]:
        """A worker with one thread; what it has begun is finished at the end."""
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
        """All that is left, taken out; waits for so many, for dead letters travel by themselves."""

        def found() -> bool:
            self._left.waiting += ids(self.url, self.queue)
            self._left.delayed += ids(self.url, dq_name(self.queue))
            self._left.dead += ids(self.url, xq_name(self.queue))
            return len(self._left) >= at_least

        until(found, PATIENCE)
        return self._left


@contextmanager
def channel_to(url: str) -> Iterator[BlockingChannel]:
    """A channel of the test's own."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def version_of(url: str) -> tuple[int, ...]:
    """RabbitMQ's version, as it tells its clients."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        told = connection._impl.server_properties["version"]
    return tuple(int(part) for part in re.findall(r"\d+", told)[:2])


def ids(url: str, queue: str) -> list[str]:
    """The ids of the messages that wait in a queue, taken out of it."""
    found = []
    with channel_to(url) as channel:
        while (message := channel.basic_get(queue, auto_ack=True))[0] is not None:
            found.append(json.loads(message[2])["message_id"])
    return found


def delivered(consumer: Consumer) -> MessageProxy:
    """The next message that RabbitMQ delivers."""
    message = until(lambda: next(consumer), PATIENCE)
    assert message is not None
    return message
