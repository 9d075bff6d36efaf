"""Tests of replaying a dead letter: it has the effect its message requested, or is refused with a reason."""

import json
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from dramatiq.common import xq_name
from sqlalchemy import select

from certline.models import (
    Command,
    CommandStatus,
    Database,
    DeadLetter,
    DeadLetterStatus,
    Outbox,
    Queue,
)
from certline.models.audit.identity import Identity
from certline.models.commands.command import finish
from certline.models.commands.envelope import LARGEST
from certline.models.database.session import clock
from certline.models.vault import Vault
from certline.producers.ingress import take
from certline.producers.messaging.delivery import Delivery
from certline.producers.requests.dead_letters import CannotReplayError, replay
from tests.integration.producers.letters import (
    a_waiting_poll,
    as_it_stands,
    from_outside,
    from_work,
    gave_up,
    log_of,
    refused,
    refused_by_a_fault_of_ours,
)
from tests.integration.producers.senders import ORDER, SHOP, VAULT, an_event, commands, events
from tests.support.factories import a_sender
from tests.support.sealed_rows import opened, seal_in


def test_a_replayed_command_keeps_its_id_its_source_and_who_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = an_event()
    with database.transaction() as db:
        a_sender(db, name="shop", amqp_user="shop")
    letter = refused_by_a_fault_of_ours(database, monkeypatch, event, user_id="shop")

    assert replay(database, VAULT, letter.id, who=Identity("os:ida")) == event["id"]

    [command] = commands(database)
    assert (command.id, command.payload) == (event["id"], ORDER)
    assert (command.source, command.requested_by) == (SHOP, "amqp:shop")
    now = as_it_stands(database, letter)
    assert (now.status, now.decided_by) == (DeadLetterStatus.REPLAYED, "os:ida")
    assert now.decision == f"command {event['id']}"
    assert log_of(database, letter) == [("dead_letter.replayed", "os:ida", now.decision)]


def test_a_command_whose_password_was_sealed_with_a_key_that_is_there_now_can_be_replayed(
    database: Database,
) -> None:
    key = Fernet.generate_key()
    sealed = Vault(key.decode()).seal_token(b"hunter2").decode()
    letter = refused(database, an_event(data=ORDER | {"keystore_password_sealed": sealed}))
    assert "is not sealed" in letter.reason
    with pytest.raises(CannotReplayError, match="is not sealed"):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))
    with database.transaction() as db:  # as if certline's own keys had been rotated
        body = opened(VAULT, letter, "body_sealed")
        row = db.get_one(DeadLetter, letter.id)
        seal_in(db, Vault(key.decode()), row, "body_sealed", body)

    replay(database, Vault(key.decode()), letter.id, who=Identity("os:ida"))

    assert len(commands(database)) == 1


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (an_event(data={}), "data.common_name: is missing"),
        (an_event("poll"), "arrived with the routing key 'order'"),
        (b"\xff", "the message is not in UTF-8"),
        (json.dumps(an_event()).encode() + b" " * LARGEST, "only its beginning is kept"),
    ],
    ids=["data", "routing key", "encoding", "size"],
)
def test_what_is_still_wrong_cannot_be_replayed_and_waits_on(
    database: Database, event: dict[str, Any] | bytes, says: str
) -> None:
    letter = refused(database, event)

    with pytest.raises(CannotReplayError, match=says):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))

    assert as_it_stands(database, letter).status is DeadLetterStatus.WAITING
    assert log_of(database, letter) == []
    assert commands(database) == []
    assert len(events(database, "command.rejected")) == 1


def test_an_id_that_stands_for_something_else_cannot_be_replayed(database: Database) -> None:
    event = an_event()
    take(database, VAULT, from_outside(event))
    letter = refused(database, event | {"data": ORDER | {"term": 365}})

    with pytest.raises(CannotReplayError, match="already used with another payload"):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))


def test_a_replayed_work_message_makes_its_open_command_due(database: Database) -> None:
    command = a_waiting_poll(database)
    letter = gave_up(database, from_work({"command_id": command.id}))

    assert replay(database, VAULT, letter.id, who=Identity("os:ida")) == command.id

    with database.transaction() as db:
        assert db.get_one(Command, command.id).not_before <= clock(db)
        sent = list(db.scalars(select(Outbox).order_by(Outbox.id)))
    assert [row.body["kwargs"] for row in sent] == [{"command_id": command.id}] * 2
    assert as_it_stands(database, letter).status is DeadLetterStatus.REPLAYED


@pytest.mark.parametrize("status", [CommandStatus.DONE, CommandStatus.FAILED, CommandStatus.REVIEW])
def test_a_work_message_whose_command_has_ended_cannot_be_replayed(
    database: Database, status: CommandStatus
) -> None:
    command = a_waiting_poll(database)
    letter = gave_up(database, from_work({"command_id": command.id}))
    with database.transaction() as db:
        finish(db, db.get_one(Command, command.id), status)

    with pytest.raises(CannotReplayError, match=f"is {status}: nothing waits for it"):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))


@pytest.mark.parametrize(
    ("delivery", "says"),
    [
        (from_work({"command_id": str(uuid4())}), "is not known"),
        (from_work({}), "should have `command_id`"),
        (from_work({}, actor="teapot"), "there is no step 'teapot'"),
        (from_work({}, options=None), "not a message in Dramatiq's format"),
        (
            Delivery(xq_name(Queue.POLL), False, {"bytes": 2}, b"[]"),
            "not a message in Dramatiq's for",
        ),
    ],
    ids=["unknown", "nothing", "no step", "no options", "no message"],
)
def test_a_work_message_about_nothing_cannot_be_replayed(
    database: Database, delivery: Delivery, says: str
) -> None:
    letter = gave_up(database, delivery)

    with pytest.raises(CannotReplayError, match=says):
        replay(database, VAULT, letter.id, who=Identity("os:ida"))


def test_a_whole_command_in_dramatiqs_format_can_be_replayed(database: Database) -> None:
    event = an_event("poll")
    letter = gave_up(database, from_work(event, options={"retries": 30}))
    assert letter.reason == "it failed 31 times; see the workers' log"

    assert replay(database, VAULT, letter.id, who=Identity("os:ida")) == event["id"]

    assert [command.id for command in commands(database)] == [event["id"]]
