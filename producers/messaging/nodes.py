"""State of each RabbitMQ node, as a client sees it: whether it answers, and whether an alarm blocks it."""

from dataclasses import dataclass
from typing import Any

import pika
from pika.exceptions import AMQPError, ConnectionBlockedTimeout

from certline.models.server_url import without_password
from certline.models.settings import Settings
from certline.producers.messaging.broker_fault import broker_fault
from certline.workers.process.broker import connection_urls

# Seconds in which a node that is blocked by an alarm says so after a message.
BLOCKED_WITHIN = 0.3
# A routing key without a queue: RabbitMQ drops the message.
NOWHERE = "certline.nowhere"


@dataclass(frozen=True)
class NodeState:
    """A node with its URL, without the password.

    `fault`: why it is unusable; `alarm`: its reason for taking no messages. Both are None for a node in order.
    """

    url: str
    fault: str | None = None
    alarm: str | None = None


def node_states(settings: Settings) -> list[NodeState]:
    """Return the state of every node in `CERTLINE_RABBITMQ_URL`."""
    urls = settings.rabbitmq_urls
    return [
        _state(without_password(url), pika.URLParameters(complete))
        for url, complete in zip(urls, connection_urls(urls), strict=True)
    ]


def _state(url: str, parameters: pika.URLParameters) -> NodeState:
    parameters.connection_attempts = 1
    parameters.blocked_connection_timeout = 1  # a polite close would wait until the alarm is over
    reasons: list[str] = []

    def note(_connection: object, frame: Any) -> None:
        reasons.append(frame.method.reason)

    try:
        with pika.BlockingConnection(parameters) as connection:
            connection.add_on_connection_blocked_callback(note)
            # RabbitMQ tells of an alarm only those who publish.
            connection.channel().basic_publish("", NOWHERE, b"")
            connection.process_data_events(BLOCKED_WITHIN)
            if reasons:
                connection.sleep(2)  # until it is given up
    except ConnectionBlockedTimeout:
        return NodeState(url, alarm=reasons[0] if reasons else "it gives no reason")
    except (AMQPError, OSError) as error:
        return NodeState(url, fault=broker_fault(error))
    return NodeState(url)
