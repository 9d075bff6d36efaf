"""Tests of refused messages: each becomes a dead letter, gets a response, and stops nothing."""

import json
import struct
from typing import Any

import pika.data
import pytest
from sqlalchemy import select, text

from certline.models import Database, DeadLetterStatus, every_table
from certline.models.commands.envelope import LARGEST
from certline.producers import ingress as ingress_module
from tests.integration.producers.senders import (
    ORDER,
    VAULT,
    Sender,
    a_command,
    a_letter,
    an_event,
    commands,
    events,
    letters,
)
from tests.servers import until
from tests.support.sealed_rows import opened

ID = "0190aaaa-0000-7000-8000-000000000000"


def until_behind(database: Database, sender: Sender) -> None:
    """Wait until everything sent so far has been handled; a command sent last shows it."""
    last = an_event("sync")
    sender.send(last)
    until(lambda: last["id"] in [command.id for command in commands(database)], 30)


@pytest.mark.usefixtures("ingress")
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": ORDER | {"colour": "blue"}}, "data.colour: there is no such field"),
        ({"data": ORDER | {"term": "90"}}, "data.term: "),
        (
            {"type": "certline.command.fetch.v1"},
            "type: 'certline.command.fetch.v1' is not a command",
        ),
        ({"specversion": "0.3"}, "specversion: "),
        ({"type": "certline.command.sync.v1", "data": {}}, "arrived with the routing key 'order'"),
    ],
    ids=["unknown field", "wrong type", "not for others", "old envelope", "routing key"],
)
def test_a_bad_command_is_kept_as_it_came_and_answered_with_its_field(
    database: Database, sender: Sender, changes: dict[str, Any], says: str
) -> None:
    event = an_event(id=ID) | changes

    sender.send(event, key="order", message_id="m-1", headers={"shop": 17})

    letter = a_letter(database)
    assert says in letter.reason
    assert (letter.source, letter.command_id) == ("certline.commands", ID)
    assert (letter.status, letter.attempts) == (DeadLetterStatus.WAITING, 1)
    assert json.loads(opened(VAULT, letter, "body_sealed")) == event
    assert letter.properties["routing_key"] == "order"
    assert letter.properties["headers"] == {"shop": 17}
    [answer] = events(database, "command.rejected")
    assert (answer["correlationid"], answer["subject"]) == (ID, letter.id)
    assert says in answer["data"]["problems"][0]
    assert (answer["data"]["message_id"], answer["data"]["dead_letter"]) == ("m-1", letter.id)
    assert commands(database) == []


@pytest.mark.usefixtures("ingress")
def test_what_cannot_be_read_is_answered_by_the_id_of_the_message(
    database: Database, sender: Sender
) -> None:
    sender.send(b"\xff", message_id=ID)

    assert a_letter(database).command_id == ID
    assert events(database, "command.rejected")[0]["correlationid"] == ID


@pytest.mark.usefixtures("ingress")
def test_a_sender_who_gave_no_id_is_answered_to_nobody_in_particular(
    database: Database, sender: Sender
) -> None:
    sender.send(b"\xff", message_id="17")

    assert a_letter(database).command_id is None
    [answer] = events(database, "command.rejected")
    assert "correlationid" not in answer
    assert answer["data"]["message_id"] == "17"


@pytest.mark.usefixtures("ingress")
@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("keystore_password", "data.keystore_password: there is no such field"),
        ("keystore_password_sealed", "data.keystore_password_sealed: is not sealed with the"),
    ],
)
def test_a_password_in_the_clear_is_refused_and_stands_nowhere_in_the_database(
    database: Database,
    sender: Sender,
    capsys: pytest.CaptureFixture[str],
    field: str,
    says: str,
) -> None:
    event = an_event(data=ORDER | {field: "hunter2"})

    sender.send(event, headers={"password": "hunter2", "shop": {"secret": "hunter2"}})

    letter = a_letter(database)
    assert says in letter.reason
    assert b"hunter2" in opened(VAULT, letter, "body_sealed")
    assert "hunter2" not in everything_in(database)
    assert "hunter2" not in "".join(capsys.readouterr())


def everything_in(database: Database) -> str:
    """Return every row of every table as text."""
    with database.engine.connect() as connection:
        return "".join(str(connection.execute(select(table)).all()) for table in every_table())


@pytest.mark.usefixtures("ingress")
def test_a_message_that_is_too_large_is_not_read_and_kept_in_part(
    database: Database, sender: Sender
) -> None:
    body = json.dumps(an_event()).encode() + b" " * LARGEST

    sender.send(body)

    letter = a_letter(database)
    assert f"has {len(body)} bytes, at most {LARGEST} are allowed" in letter.reason
    assert opened(VAULT, letter, "body_sealed") == body[:LARGEST]
    assert letter.properties["bytes"] == len(body)


@pytest.mark.usefixtures("ingress")
def test_a_bad_message_that_is_sent_again_is_answered_again_and_kept_once(
    database: Database, sender: Sender
) -> None:
    for _ in range(3):
        sender.send(an_event(id=ID, data={}), message_id="m-1")
    sender.send(an_event(id=ID, data={}), message_id="m-2")
    until_behind(database, sender)

    assert [letter.message_id for letter in letters(database)] == ["m-1", "m-2"]
    answers = events(database, "command.rejected")
    assert [answer["subject"] for answer in answers] == [
        *[letters(database)[0].id] * 3,
        letters(database)[1].id,
    ]


@pytest.mark.usefixtures("ingress")
@pytest.mark.parametrize(
    "properties",
    [
        {"headers": {"a": {"b": [1, None, b"\xff", "\0", {"c": {"d": {"e": {}}}}]}}},
        {"headers": {f"header{number}": "x" * 2_000 for number in range(40)}},
        {"message_id": "nul\0nul", "content_type": "text/plain", "content_encoding": "gzip"},
        {"timestamp": 2**63, "expiration": "86400000", "type": "t", "reply_to": "r"},
    ],
    ids=["deep", "many", "nul", "odd"],
)
def test_odd_properties_are_kept_as_far_as_they_can_be(
    database: Database, sender: Sender, properties: dict[str, Any]
) -> None:
    sender.send(b"{", **properties)

    assert "is not JSON" in a_letter(database).reason


@pytest.mark.usefixtures("ingress")
def test_a_header_that_pika_cannot_read_stops_no_queue(
    database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Milliseconds where AMQP has seconds: the year 57868.
    header = b"\x02tsT" + struct.pack(">Q", 1_764_000_000_000)

    def write(pieces: list[bytes], _table: object) -> int:
        pieces += [struct.pack(">I", len(header)), header]
        return 4 + len(header)

    with monkeypatch.context() as patch:
        patch.setattr(pika.data, "encode_table", write)
        sender.send(an_event(id=ID), headers={"written": "above"})

    assert a_command(database).id == ID


@pytest.mark.usefixtures("ingress")
def test_a_fault_of_ours_makes_one_dead_letter_and_stops_nobody(
    database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def admit(*_: object, **__: object) -> None:
        raise ZeroDivisionError("hunter2")

    with monkeypatch.context() as patch:
        patch.setattr(ingress_module, "admit", admit)
        sender.send(an_event(id=ID))
        letter = a_letter(database)
    until_behind(database, sender)

    assert letter.reason == "a fault of certline itself (ZeroDivisionError); it can be replayed"


@pytest.mark.usefixtures("ingress")
def test_a_command_that_postgres_cannot_store_makes_one_dead_letter_and_stops_nobody(
    database: Database, sender: Sender
) -> None:
    with database.transaction() as db:
        db.execute(text("ALTER TABLE command ADD CHECK (source <> '//odd.example')"))

    sender.send(an_event(id=ID, source="//odd.example"))
    until_behind(database, sender)

    assert "a fault of certline itself (IntegrityError)" in a_letter(database).reason
