"""CLI tests of dead letters: listing, replaying and dropping them."""

import json
from typing import Any

import pytest
from sqlalchemy import delete

from certline.models import Command
from certline.models.events.outbox import COMMANDS, INGRESS
from certline.producers.ingress import take
from certline.producers.messaging.delivery import Delivery
from tests.integration.cli.conftest import Typist
from tests.support.factories import a_sender

ID = "0190aaaa-0000-7000-8000-000000000000"
KEYS = {
    *("id", "source", "status", "reason", "command_id", "message_id", "attempts", "sha256"),
    *("received_at", "decided_at", "decided_by", "decision"),
}


@pytest.fixture(autouse=True)
def shop(typist: Typist) -> None:
    """Make the other system a sender."""
    with typist.database.transaction() as db:
        a_sender(db, name="shop", amqp_user="shop")


def come(typist: Typist, **changes: Any) -> None:
    """Deliver another system's command; an invalid one is kept as a dead letter."""
    event = {
        "specversion": "1.0",
        "id": ID,
        "source": "//shop.example",
        "type": "certline.command.poll.v1",
        "data": {},
    }
    body = json.dumps(event | changes).encode()
    facts = {
        "exchange": COMMANDS,
        "routing_key": "poll",
        "bytes": len(body),
        "headers": {"a": 1},
        "user_id": "shop",
    }
    take(typist.database, typist.vault, Delivery(INGRESS, False, facts, body))


def a_letter(typist: Typist) -> Any:
    """Store the dead letter of a command with a password in clear text."""
    come(typist, data={"keystore_password": "hunter2"})
    [letter] = typist.json("dead-letter", "list")
    return letter


def test_a_letter_in_the_list_says_what_is_wrong_with_which_command(typist: Typist) -> None:
    letter = a_letter(typist)

    assert set(letter) == KEYS
    assert (letter["status"], letter["command_id"]) == ("waiting", ID)
    assert letter["reason"] == "data.keystore_password: there is no such field"
    assert letter["id"] in typist.types("dead-letter", "list")


def test_a_letter_is_shown_with_its_message_and_without_passwords(typist: Typist) -> None:
    letter = a_letter(typist)

    shown = typist.json("dead-letter", "show", letter["id"].lower())
    read = typist.types("dead-letter", "show", letter["id"])

    assert set(shown) == KEYS | {"properties", "body"}
    assert shown["properties"]["headers"] == {"a": 1}
    assert json.loads(shown["body"])["source"] == "//shop.example"
    assert "hunter2" not in str(shown) + read
    assert f"certline dead-letter replay {letter['id']}" in read


def test_a_replay_that_would_end_as_before_is_refused_with_the_reason(typist: Typist) -> None:
    letter = a_letter(typist)

    [refused] = typist.json("dead-letter", "replay", letter["id"], code=1)

    assert refused == letter | {
        "error": "cannot be replayed: data.keystore_password: there is no such field"
    }


def test_a_letter_is_dropped_for_a_reason(typist: Typist) -> None:
    letter = a_letter(typist)["id"]

    typist.types("dead-letter", "drop", letter, code=2)
    typist.types("dead-letter", "drop", letter, "--reason", " ", code=2)
    [dropped] = typist.json("dead-letter", "drop", letter, "--reason", "a test")

    assert (dropped["status"], dropped["decision"], dropped["error"]) == ("dropped", "a test", None)
    assert dropped["decided_by"]
    assert "No dead letter waits" in typist.types("dead-letter", "list")
    assert [row["id"] for row in typist.json("dead-letter", "list", "--all")] == [letter]


def test_what_has_been_decided_on_is_nothing_to_do(typist: Typist) -> None:
    letter = a_letter(typist)["id"]
    typist.types("dead-letter", "drop", letter, "--reason", "a test")

    assert "was dropped by" in typist.types("dead-letter", "drop", letter, "--reason", "b", code=4)
    assert "a test" in typist.json("dead-letter", "replay", letter, code=4)[0]["error"]


def test_several_letters_are_decided_on_each_by_itself(typist: Typist) -> None:
    come(typist, specversion="0.3")
    come(typist, specversion="0.4")
    bad, worse = (row["id"] for row in typist.json("dead-letter", "list"))
    typist.types("dead-letter", "drop", bad, "--reason", "mended")

    documents = typist.json("dead-letter", "drop", bad, worse, worse, "--reason", "mended")

    assert [(row["id"], row["error"] is None) for row in documents] == [(bad, False), (worse, True)]


def test_a_replayed_command_is_found_under_its_own_id(typist: Typist) -> None:
    # The id belonged to another command, of which nothing is left after a database was restored.
    come(typist)
    come(typist, data={"order": "scm:17"})
    [letter] = typist.json("dead-letter", "list")
    assert "already used with another payload" in letter["reason"]
    with typist.database.transaction() as db:
        db.execute(delete(Command))

    said = typist.types("dead-letter", "replay", letter["id"])

    assert f"{letter['id']} replayed: command {ID}" in said
    assert typist.json("command", "show", ID)["status"] == "queued"


def test_an_unknown_letter_is_named_and_nothing_is_decided(typist: Typist) -> None:
    letter = a_letter(typist)

    said = typist.types("dead-letter", "drop", letter["id"], "01", "--reason", "x", code=1)

    assert "dead letter '01' is not known" in said
    assert typist.json("dead-letter", "list") == [letter]


def test_the_doctor_counts_the_letters_that_wait(typist: Typist) -> None:
    def verdict() -> Any:
        checks = typist.json("doctor", code=1)["checks"]
        return next(check for check in checks if check["name"] == "dead letters")

    assert verdict()["ok"]
    a_letter(typist)
    found = verdict()
    assert (found["ok"], found["text"]) == (False, "1 wait for a decision")
    assert found["advice"] == "certline dead-letter list"
