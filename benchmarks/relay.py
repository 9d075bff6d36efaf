"""Benchmark of the relay: the same messages published by it out of Postgres, and by pika alone, alternately.

Both wait for RabbitMQ's confirms with as many messages outstanding. Wake-ups go to a work queue; events go to the
exchange, and a queue of a subscriber takes all of them.
"""

import json
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pika
from pika.channel import Channel
from pydantic import SecretStr
from sqlalchemy import select, text

from certline.models import Database, Outbox, Queue
from certline.models.commands.wake_up import wake_up
from certline.models.database.bulk import add_rows
from certline.models.database.migrate import upgrade
from certline.models.events.outbox import EVENTS, event_row
from certline.models.settings import Settings
from certline.models.states import CommandType
from certline.producers.messaging.publisher import wire_of
from certline.producers.relay import OUTSTANDING, Relay
from certline.workers.process.broker import make_broker
from tests.servers import open_postgres, open_rabbitmq
from tests.support.documented_events import some

MESSAGES = 10_000
ROUNDS = 5
# The subscriber's queue.
SUBSCRIBER = "subscriber"


def main() -> None:
    """Run the benchmark and print the figures."""
    found = figures()
    print(f"{MESSAGES} messages, {OUTSTANDING} outstanding, medians of {ROUNDS} rounds")
    for kind in KINDS:
        print(f"  {kind}, pika alone:    {found[f'{kind}_pika']:8.0f} a second")
        print(f"  {kind}, the relay:     {found[f'{kind}_relay']:8.0f} a second")
        print(f"  {kind}, relay / pika:  {found[f'{kind}_ratio']:8.2f}")


def figures() -> dict[str, float]:
    """Run the benchmark. Returns messages a second of both, and the ratio of relay to pika, by kind of message."""
    found: dict[str, float] = {}
    with ExitStack() as stack:
        postgres = stack.enter_context(open_postgres(private=True))
        rabbitmq = stack.enter_context(open_rabbitmq(private=True))
        url = stack.enter_context(postgres.database())
        upgrade(url)
        database = Database(url, pool_size=2)
        stack.callback(database.close)
        settings = Settings(database_url=SecretStr(url), rabbitmq_url=SecretStr(rabbitmq.url))
        relay = Relay(database, wire := wire_of(make_broker(settings)))
        stack.callback(wire.close)
        wire.open()
        _empty(rabbitmq.url)
        for kind, make in KINDS.items():
            rounds = []
            for _ in range(ROUNDS):
                rows = [make() for _ in range(MESSAGES)]
                bare = publish(rabbitmq.url, rows)
                _empty(rabbitmq.url)
                _fill(database, rows)
                rounds.append((bare, drain(relay)))
                _empty(rabbitmq.url)
                wire.tend()
                _check(database)
            bare, relayed = (statistics.median(each) for each in zip(*rounds, strict=True))
            found[f"{kind}_pika"] = MESSAGES / bare
            found[f"{kind}_relay"] = MESSAGES / relayed
            found[f"{kind}_ratio"] = statistics.median(bare / own for bare, own in rounds)
    return found


def a_wake_up() -> dict[str, Any]:
    """Return the outbox row of a wake-up."""
    return wake_up(CommandType.POLL, str(uuid.uuid4()))


def an_event() -> dict[str, Any]:
    """Return the outbox row of an event."""
    return event_row(
        some("order.issued"), subject=uuid.uuid4().hex, correlation_id=str(uuid.uuid4())
    )


KINDS: dict[str, Callable[[], dict[str, Any]]] = {"wake_ups": a_wake_up, "events": an_event}


def drain(relay: Relay) -> float:
    """Return the seconds in which the relay publishes all that is due."""
    never = threading.Event()
    start = time.monotonic()
    while relay.pump(never):
        pass
    return time.monotonic() - start


def publish(rabbitmq_url: str, rows: Sequence[dict[str, Any]]) -> float:
    """Publish rows with pika alone, BATCH of them outstanding. Returns the seconds until the last confirm."""
    ready = [(row, json.dumps(row["body"]).encode()) for row in rows]
    times: list[float] = []
    sent = confirmed = 0

    def begin(channel: Channel) -> None:
        channel.confirm_delivery(
            lambda frame: settle(channel, frame), callback=lambda _: start(channel)
        )

    def start(channel: Channel) -> None:
        times.append(time.monotonic())
        fill(channel)

    def fill(channel: Channel) -> None:
        nonlocal sent
        while sent < len(ready) and sent - confirmed < OUTSTANDING:
            row, body = ready[sent]
            sent += 1
            channel.basic_publish(
                row["exchange"],
                row["routing_key"],
                body,
                pika.BasicProperties(
                    delivery_mode=2,
                    message_id=row["event_id"],
                    content_type="application/json",
                ),
                mandatory=row["mandatory"],
            )

    def settle(channel: Channel, frame: Any) -> None:
        nonlocal confirmed
        if not isinstance(frame.method, pika.spec.Basic.Ack):
            raise TypeError(f"RabbitMQ does not take it: {frame.method}")
        tag = frame.method.delivery_tag
        confirmed = tag if frame.method.multiple else confirmed + 1
        if confirmed == len(ready):
            times.append(time.monotonic())
            connection.close()
        else:
            fill(channel)

    connection = pika.SelectConnection(
        pika.URLParameters(rabbitmq_url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=begin),
        on_close_callback=lambda closed, _why: closed.ioloop.stop(),
    )
    connection.ioloop.start()
    began, ended = times
    return ended - began


def _fill(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    with database.transaction() as db:
        db.execute(text("TRUNCATE outbox"))
        add_rows(db, Outbox, rows)
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM ANALYZE outbox"))


def _check(database: Database) -> None:
    with database.transaction() as db:
        left = db.scalars(select(Outbox.id).where(Outbox.sent_at.is_(None))).all()
    if left:
        raise ValueError(f"the relay left {len(left)} rows")


def _empty(rabbitmq_url: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbitmq_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(SUBSCRIBER, durable=True)
        channel.queue_bind(SUBSCRIBER, EVENTS, "#")
        channel.queue_purge(SUBSCRIBER)
        channel.queue_purge(Queue.POLL.value)


if __name__ == "__main__":
    main()
