"""Acceptance test of a faulty command, from the exchange to an operator's decision, with real processes."""

import json
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.servers import until
from tests.support.deployment import Plant
from tests.support.factories import senders_of_everything

pytestmark = pytest.mark.slow


@pytest.fixture
def exchange(vhost: str) -> Iterator[BlockingChannel]:
    """Yield another system's channel."""
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def test_a_person_drops_what_could_not_be_taken_and_the_mended_command_is_done(
    database_url: str, vhost: str, exchange: BlockingChannel
) -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "//shop.example",
        "type": "certline.command.poll.v1",
        "data": {"colour": "blue"},
    }
    with Plant(database_url, vhost) as plant:
        plant.start("all").wait_for("ingress.listens", 60)
        heard = exchange.queue_declare("", exclusive=True).method.queue
        exchange.queue_bind(heard, "certline.events", "command.rejected")
        plant.database.run(senders_of_everything)
        sender = pika.BasicProperties(user_id=unquote(urlsplit(vhost).username or "guest"))
        exchange.basic_publish("certline.commands", "poll", json.dumps(event).encode(), sender)

        letter = until(lambda: plant.json("dead-letter", "list"), 60)[0]
        plant.certline("dead-letter", "drop", letter["id"], "--reason", "the shop mends it")
        mended = json.dumps(event | {"data": {}}).encode()
        exchange.basic_publish("certline.commands", "poll", mended, sender)
        until(lambda: plant.knows(str(event["id"])), 60)
        done = plant.json("command", "wait", str(event["id"]), "--timeout", "60")

        until(lambda: exchange.queue_declare(heard, passive=True).method.message_count, 60)
        _, _, answer = exchange.basic_get(heard, auto_ack=True)
    assert letter["reason"] == "data.colour: there is no such field"
    assert (done["id"], done["status"]) == (event["id"], "done")
    told = json.loads(answer)
    assert (told["correlationid"], told["data"]["dead_letter"]) == (event["id"], letter["id"])
