"""Another system, which publishes commands to the exchange, or to the work queue in Dramatiq's format."""

import json
import time
import uuid
from collections.abc import Iterable
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
    data = wanted.model_dump(mode="json", exclude_defaults=True)
    return command_event("order", data, str(uuid.uuid4()))


def command_event(name: str, data: dict[str, Any], command_id: str) -> dict[str, Any]:
    """Return a command as a CloudEvent."""
    return {
        "specversion": "1.0",
        "id": command_id,
        "source": "//shop.example",
        "type": f"certline.command.{name}.v1",
        "data": data,
    }


def send_to_exchange(vhost: str, event: dict[str, Any], *, routing_key: str = "order") -> None:
    """Publish an event to `certline.commands`; return once RabbitMQ has routed it to a queue."""
    _publish(vhost, COMMANDS, routing_key, json.dumps(event).encode(), event["id"])


def send_all_to_exchange(vhost: str, events: Iterable[dict[str, Any]]) -> None:
    """Publish commands to `certline.commands` over one connection; return once each is in a queue."""
    with connect(vhost) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for event in events:
            key, body = event["type"].split(".")[2], json.dumps(event).encode()
            properties = _properties(vhost, event["id"], COMMANDS)
            until(partial(_is_routed, channel, COMMANDS, key, body, properties), 30)


def send_to_workers(vhost: str, event: dict[str, Any]) -> None:
    """Publish the event straight to the work queue, as a system that uses Dramatiq's format."""
    message = _message(event)
    _publish(vhost, "", Queue.ORDER, json.dumps(message).encode(), message["message_id"])


def delay_for_an_hour(vhost: str, command_id: str) -> None:
    """Publish an order's message to the queue of delays, as Dramatiq does for a retry, due in an hour."""
    message = _message({"command_id": command_id})
    message["options"] = {"eta": message["message_timestamp"] + 3_600_000}
    body = json.dumps(message).encode()
    _publish(vhost, "", f"{Queue.ORDER}.DQ", body, message["message_id"])


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
        properties = _properties(vhost, message_id, exchange)
        # The processes declare the queue when they start, so it may not exist yet.
        until(partial(_is_routed, channel, exchange, key, body, properties), 30)


def sending_user(vhost: str) -> str:
    """Return RabbitMQ's user in whose name the commands are sent."""
    return unquote(urlsplit(urls_in(vhost)[0]).username or "guest")


def _properties(vhost: str, message_id: Any, exchange: str) -> pika.BasicProperties:
    return pika.BasicProperties(
        delivery_mode=2,
        message_id=str(message_id),
        content_type="application/cloudevents+json" if exchange else "application/json",
        user_id=sending_user(vhost),
    )


def _is_routed(
    channel: Any, exchange: str, key: str, body: bytes, properties: pika.BasicProperties
) -> bool:
    try:
        channel.basic_publish(exchange, key, body, properties, mandatory=True)
    except UnroutableError:
        return False
    return True
