"""Tests of messages with a private key: refused with what to do, and the key is kept nowhere."""

import base64
import json
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Database, every_table
from certline.models.audit.identity import Identity
from certline.models.commands.dead_letter import WITHOUT_KEY
from certline.producers.ingress import take
from certline.producers.messaging.delivery import Delivery, storable
from certline.producers.requests.dead_letters import CannotReplayError, replay
from tests.integration.producers.letters import from_outside, from_work, gave_up, refused
from tests.integration.producers.senders import ORDER, VAULT, an_event, commands, events, letters
from tests.support.sealed_rows import opened
from tests.support.signing_requests import PRIVATE, PRIVATE_LINE, in_pem, request

ID = "0190aaaa-0000-7000-8000-000000000000"
CSR = in_pem(request())


def everything_in(database: Database) -> str:
    """Return every row of every table as text, and what is sealed in dead letters."""
    with database.engine.connect() as connection:
        rows = [connection.execute(select(table)).all() for table in every_table()]
    bodies = [opened(VAULT, letter, "body_sealed") for letter in letters(database)]
    return f"{rows} {bodies}"


def require_forgotten(database: Database) -> None:
    """Check that no row holds a line of the key, in clear or encrypted for us."""
    assert PRIVATE_LINE not in everything_in(database)
    assert base64.b64encode(PRIVATE.encode()).decode()[40:80] not in everything_in(database)


@pytest.mark.parametrize(
    ("place", "changes"),
    [
        ("data.csr", {"data": ORDER | {"csr": PRIVATE}}),
        ("data.csr", {"data": ORDER | {"csr": CSR + PRIVATE}}),
        ("data.csr", {"data": ORDER | {"csr": "".join(PRIVATE.splitlines()[1:-1])}}),
        ("data.comments", {"data": ORDER | {"comments": f"key: {PRIVATE}"}}),
        ("data.common_name", {"data": ORDER | {"common_name": PRIVATE}}),
        ("data.sans.1", {"data": ORDER | {"sans": ["a.example", PRIVATE]}}),
        ("data.custom_fields.key", {"data": ORDER | {"custom_fields": {"key": PRIVATE}}}),
        ("data.custom_fields.(a name)", {"data": ORDER | {"custom_fields": {PRIVATE: "1"}}}),
        (
            "data.colour",
            {"data": ORDER | {"colour": {"blue": 1, "key": [PRIVATE]}} | {"colour": PRIVATE}},
        ),
        ("data.keystore_password_sealed", {"data": ORDER | {"keystore_password_sealed": PRIVATE}}),
        ("subject", {"subject": PRIVATE}),
        ("type", {"type": PRIVATE}),
        ("shopkey", {"shopkey": base64.b64encode(PRIVATE.encode()).decode()}),
    ],
    ids=range(13),
)
def test_a_command_with_a_private_key_is_refused_and_the_key_is_kept_nowhere(
    database: Database, capsys: pytest.CaptureFixture[str], place: str, changes: dict[str, Any]
) -> None:
    letter = refused(database, an_event(id=ID) | changes, message_id="m-1")

    [answer] = events(database, "command.rejected")
    [problem] = answer["data"]["problems"]
    assert answer["correlationid"] == letter.command_id == ID
    assert problem.startswith(f"{place}: holds a private key")
    assert "regard the key as disclosed and replace it" in problem
    assert "removed from what is kept" in letter.reason
    assert letter.properties[WITHOUT_KEY] is True
    assert commands(database) == []
    require_forgotten(database)
    assert PRIVATE_LINE not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "body",
    [
        PRIVATE.encode(),
        PRIVATE.encode("utf-16"),
        json.dumps(an_event(data=ORDER | {"csr": PRIVATE})).encode()[:-1],
        json.dumps(an_event(data=ORDER | {"csr": PRIVATE})).encode() + b" " * 300_000,
    ],
    ids=["pem", "utf-16", "cut off", "too large"],
)
def test_a_body_that_is_no_command_is_kept_without_its_key(database: Database, body: bytes) -> None:
    refused(database, body, message_id=ID)

    [answer] = events(database, "command.rejected")
    assert answer["correlationid"] == ID
    require_forgotten(database)


def test_such_a_letter_cannot_be_replayed(database: Database) -> None:
    letter = refused(database, an_event(data=ORDER | {"comments": PRIVATE}))

    with pytest.raises(CannotReplayError, match="replace that key"):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))


def test_a_redelivery_is_kept_once(database: Database) -> None:
    event = an_event(data=ORDER | {"csr": PRIVATE})

    assert refused(database, event).id == refused(database, event).id


@pytest.mark.parametrize(
    "fields",
    [
        {"kwargs": an_event(id=ID, data=ORDER | {"csr": PRIVATE}), "actor": "order"},
        {"kwargs": {"command_id": PRIVATE}},
        {"kwargs": {}, "actor": PRIVATE},
        {"kwargs": {}, "message_id": PRIVATE},
        {"kwargs": {}, "options": {"key": PRIVATE}},
    ],
    ids=["whole", "id", "actor", "message id", "option"],
)
def test_a_work_message_with_a_private_key_is_kept_without_it(
    database: Database, fields: dict[str, Any]
) -> None:
    letter = gave_up(database, from_work(**fields))

    assert letter.properties[WITHOUT_KEY] is True
    require_forgotten(database)
    for event in events(database, "command.rejected"):
        assert "holds a private key" in event["data"]["problems"][0]


@pytest.mark.parametrize(
    "value", [PRIVATE, PRIVATE.encode(), PRIVATE.encode("utf-16")], ids=["text", "bytes", "utf-16"]
)
def test_headers_and_other_properties_are_kept_without_a_key(value: str | bytes) -> None:
    delivery = Delivery("q", False, {"headers": storable({"shop": [value]})}, b"")

    assert PRIVATE_LINE not in str(delivery.properties)
    assert "removed a private key" in str(delivery.properties)


def test_of_a_request_in_a_message_only_the_request_is_stored(database: Database) -> None:
    for text in (CSR, f"\ufeffHello,\r\n\r\n{CSR}\r\nIda", CSR.replace("\n", "\r\n")):
        take(database, VAULT, from_outside(an_event(id=ID, data=ORDER | {"csr": text})))

    assert letters(database) == []
    assert [command.payload["csr"] for command in commands(database)] == [CSR]


@pytest.mark.parametrize(
    "csr", ["hello", CSR + CSR, in_pem(request(version=2)), CSR[:200], 7], ids=range(5)
)
def test_a_request_that_cannot_be_sent_is_refused_at_the_door(
    database: Database, csr: object
) -> None:
    letter = refused(database, an_event(id=ID, data=ORDER | {"csr": csr}))

    assert letter.reason.startswith("data.csr: ")
    assert commands(database) == []


def test_prose_about_a_private_key_is_taken(database: Database) -> None:
    reason = "the PRIVATE KEY of this host was stolen"
    data = {"certificate": "www.nordhafen.example", "comments": reason}
    delivery = json.dumps(an_event("revoke", data=data)).encode()

    take(database, VAULT, from_outside(delivery, routing_key="revoke"))

    assert [command.payload["comments"] for command in commands(database)] == [reason]
