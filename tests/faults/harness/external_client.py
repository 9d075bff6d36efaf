"""Another system, which publishes commands to the exchange, or to the work queue in Dramatiq's format."""

import json
import time
import uuid
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from pika.exceptions import AMQPError, UnroutableError

from certline.models.commands.payloads import OrderCommand
from certline.models.events.outbox import COMMANDS
from certline.models.server_url import urls_in
from certline.models.states import Queue
from tests.faults.harness.nodes import connect
from tests.servers import until


def order_event(wanted: OrderCommand) -> dict[str, Any]:
    """Return an order as a CloudEvent with a new id."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "//shop.example",
        "type": "certline.command.order.v1",
        "data": wanted.model_dump(mode="json", exclude_defaults=True),
    }


def send_to_exchange(vhost: str, event: dict[str, Any], *, routing_key: str = "order") -> None:
    """Publish an event to `certline.commands`; return once RabbitMQ has routed it to a queue."""
    _publish(vhost, COMMANDS, routing_key, json.dumps(event).encode(), event["id"])


def send_to_workers(vhost: str, event: dict[str, Any]) -> None:
    """Publish the event straight to the work queue, as a system that uses Dramatiq's format."""
    message = _message(event)
    _publish(vhost, "", Queue.ORDER, json.dumps(message).encode(), message["message_id"])


def send_nonsense_to_workers(vhost: str) -> None:
    """Publish a malformed message to the work queue."""
    message = _message({}) | {"actor_name": ["order"], "options": None}
    _publish(vhost, "", Queue.ORDER, json.dumps(message).encode(), message["message_id"])


def _message(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {
        "queue_name": Queue.ORDER,
        "actor_name": "order",
        "args": [],
        "kwargs": kwargs,
        "options": {},
        "message_id": str(uuid.uuid4()),
        "message_timestamp": int(time.time() * 1000),
    }


def _publish(vhost: str, exchange: str, key: str, body: bytes, message_id: Any) -> None:
    while True:
        try:
            return _publish_once(vhost, exchange, key, body, message_id)
        except AMQPError:  # the node was lost: a sender sends again, under the same id
            if len(urls_in(vhost)) == 1:
                raise


def _publish_once(vhost: str, exchange: str, key: str, body: bytes, message_id: Any) -> None:
    with connect(vhost) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        properties = pika.BasicProperties(
            delivery_mode=2,
            message_id=str(message_id),
            content_type="application/cloudevents+json" if exchange else "application/json",
            user_id=unquote(urlsplit(urls_in(vhost)[0]).username or "guest"),
        )
        # The processes declare the queue when they start, so it may not exist yet.
        until(partial(_is_routed, channel, exchange, key, body, properties), 30)


def _is_routed(
    channel: Any, exchange: str, key: str, body: bytes, properties: pika.BasicProperties
) -> bool:
    try:
        channel.basic_publish(exchange, key, body, properties, mandatory=True)
    except UnroutableError:
        return False
    return True
