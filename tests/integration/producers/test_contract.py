"""Tests that exchange and events behave as docs/asyncapi.yaml shows."""

from typing import Any

import pytest

from certline.models import Database
from tests.integration.producers.senders import Sender, commands, letters
from tests.servers import until
from tests.told import asyncapi, told_in


def examples(door: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the document's examples in one direction, each with its channel."""
    document = asyncapi()
    return [
        (channel, example["payload"])
        for name, channel in document["channels"].items()
        if name.startswith(door)
        for example in document["components"]["messages"][name]["examples"]
    ]


@pytest.mark.usefixtures("ingress")
def test_every_example_of_a_command_is_accepted_as_the_document_says_to_send_it(
    database: Database, sender: Sender
) -> None:
    sent = examples("commands.")
    for channel, example in sent:
        exchange = channel["bindings"]["amqp"]["exchange"]["name"]
        sender.send(example, exchange=exchange, key=channel["address"])

    until(lambda: len(commands(database)) + len(letters(database)) == len(sent), 60)

    assert letters(database) == []
    accepted = {command.id: command.type.value for command in commands(database)}
    assert accepted == {example["id"]: channel["address"] for channel, example in sent}


@pytest.mark.usefixtures("ingress")
def test_an_example_that_is_spoilt_is_rejected_and_the_answer_is_as_documented(
    database: Database, sender: Sender
) -> None:
    for channel, example in examples("commands."):
        spoilt = example | {"data": example["data"] | {"colour": "blue"}}
        sender.send(spoilt, key=channel["address"], message_id=example["id"])
    number = len(examples("commands."))

    until(lambda: len(told_in(database.url)) == number, 60)

    # Each event's schema is checked after every test (`database_url`).
    told = {event["correlationid"]: event for event in told_in(database.url)}
    assert set(told) == {example["id"] for _, example in examples("commands.")}
    assert {event["type"] for event in told.values()} == {"command.rejected"}
    assert all(
        "data.colour: there is no such field" in event["data"]["problems"]
        for event in told.values()
    )
