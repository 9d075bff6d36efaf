"""Actions that users of RabbitMQ may attempt, and must be refused."""

from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel

from certline.models.events.outbox import EVENTS, INGRESS
from certline.models.states import Queue
from certline.producers.witness.store import WITNESS

REFUSED_TO_THE_SHOP: dict[str, Callable[[BlockingChannel], object]] = {
    "wake a worker": lambda shop: shop.basic_publish("", Queue.ORDER.value, b"{}"),
    "send past the exchange": lambda shop: shop.basic_publish("", INGRESS, b"{}"),
    "tell an event": lambda shop: shop.basic_publish(EVENTS, "order.held", b"{}"),
    "read work": lambda shop: shop.basic_get(Queue.ORDER.value),
    "read commands": lambda shop: shop.basic_get(INGRESS),
    "forge the witness": lambda shop: shop.basic_publish("", WITNESS, b"{}"),
    "read the witness": lambda shop: shop.basic_get(WITNESS),
    "remove the witness": lambda shop: shop.queue_purge(WITNESS),
    "empty the commands": lambda shop: shop.queue_purge(INGRESS),
    "delete a queue": lambda shop: shop.queue_delete(Queue.ORDER.value),
    "delete an exchange": lambda shop: shop.exchange_delete(EVENTS),
    "declare a queue of ours": lambda shop: shop.queue_declare("certline.other", durable=True),
    "declare another's queue": lambda shop: shop.queue_declare("bank.events", durable=True),
    "read another's queue": lambda shop: shop.basic_get("bank.events"),
    "hear commands": lambda shop: shop.queue_bind("shop.events", "certline.commands", "order"),
    "hear every event": lambda shop: shop.queue_bind("shop.events", EVENTS, "#"),
    "hear of all certificates": lambda shop: shop.queue_bind(
        "shop.events", EVENTS, "certificate.stored"
    ),
    "hear what another hears": lambda shop: shop.queue_bind("shop.events", EVENTS, "sender.bank.#"),
    "hear what all senders hear": lambda shop: shop.queue_bind(
        "shop.events", EVENTS, "sender.*.certificate.stored"
    ),
    "hear what a sender with a longer name hears": lambda shop: shop.queue_bind(
        "shop.events", EVENTS, "sender.shop2.#"
    ),
    "hear every event by an exchange of its own": lambda shop: (
        shop.exchange_declare("shop.all", exchange_type="fanout"),
        shop.exchange_bind("shop.all", EVENTS, "#"),
    ),
    "bind a queue of ours": lambda shop: shop.queue_bind(INGRESS, EVENTS, "order.held"),
    "let dead letters be work": lambda shop: shop.queue_declare(
        "shop.trap",
        arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": Queue.ORDER.value,
        },
    ),
    "let dead letters be events": lambda shop: shop.queue_declare(
        "shop.trap", arguments={"x-dead-letter-exchange": EVENTS}
    ),
    "let what is unroutable be events": lambda shop: shop.exchange_declare(
        "shop.trap", arguments={"alternate-exchange": EVENTS}
    ),
    "say that it is another": lambda shop: shop.basic_publish(
        "certline.commands", "sync", b"{}", pika.BasicProperties(user_id="guest")
    ),
}

REFUSED_TO_PARTS: dict[str, list[tuple[str, Callable[[BlockingChannel], object]]]] = {
    "certline-worker": [
        ("send a command", lambda part: part.basic_publish("certline.commands", "sync", b"{}")),
        ("tell an event", lambda part: part.basic_publish(EVENTS, "order.held", b"{}")),
        ("read commands", lambda part: part.basic_get(INGRESS)),
        ("read the witness", lambda part: part.basic_get(WITNESS)),
        ("read events", lambda part: part.basic_get("bank.events")),
        ("hear events", lambda part: part.queue_bind(Queue.ORDER.value, EVENTS, "#")),
    ],
    "certline-relay": [
        ("send a command", lambda part: part.basic_publish("certline.commands", "sync", b"{}")),
        ("read commands", lambda part: part.basic_get(INGRESS)),
        ("read dead letters", lambda part: part.basic_get("certline.order.XQ")),
        ("read events", lambda part: part.basic_get("bank.events")),
    ],
    "certline-ingress": [
        ("send a command", lambda part: part.basic_publish("certline.commands", "sync", b"{}")),
        ("tell an event", lambda part: part.basic_publish(EVENTS, "order.held", b"{}")),
        ("remove the witness", lambda part: part.queue_purge(WITNESS)),
        ("read events", lambda part: part.basic_get("bank.events")),
    ],
}
