"""State of the queues at RabbitMQ, as passive declarations report it: nothing is created or changed."""

from collections.abc import Sequence
from dataclasses import dataclass

import pika
from pika.exceptions import AMQPError, ChannelClosedByBroker

from certline.models.events.outbox import INGRESS
from certline.models.server_url import without_password
from certline.models.settings import Settings
from certline.models.states import Queue
from certline.producers.messaging.broker_fault import broker_fault
from certline.producers.witness.store import WITNESS
from certline.workers.process.broker import connection_urls


class NoAnswerError(Exception):
    """RabbitMQ does not report the state of its queues."""


@dataclass(frozen=True)
class QueueState:
    """A queue with its number of waiting messages and of consumers; both are 0 if it does not exist."""

    name: str
    exists: bool
    messages: int = 0
    consumers: int = 0


def queue_states(settings: Settings) -> list[QueueState]:
    """Return the state of every queue that a part takes work from. Raises NoAnswerError."""
    return _states(settings, (*(each.value for each in Queue), INGRESS))


def has_witness(settings: Settings) -> bool:
    """Return True if RabbitMQ keeps a witness of the database. Raises NoAnswerError."""
    return _states(settings, (WITNESS,))[0].messages > 0


def _states(settings: Settings, names: Sequence[str]) -> list[QueueState]:
    nodes = [pika.URLParameters(url) for url in connection_urls(settings.rabbitmq_urls)]
    try:
        with pika.BlockingConnection(nodes) as connection:
            return [_state(connection, name) for name in names]
    except (AMQPError, OSError) as error:
        shown = ";".join(map(without_password, settings.rabbitmq_urls))
        raise NoAnswerError(f"RabbitMQ at {shown} {broker_fault(error)}") from error


def _state(connection: pika.BlockingConnection, name: str) -> QueueState:
    # A channel for each queue: RabbitMQ closes it if the queue does not exist.
    channel = connection.channel()
    try:
        found = channel.queue_declare(name, passive=True).method
    except ChannelClosedByBroker as closed:
        if closed.reply_code != 404:  # AMQP's "not found"
            raise
        return QueueState(name, exists=False)
    channel.close()
    return QueueState(name, True, found.message_count, found.consumer_count)
