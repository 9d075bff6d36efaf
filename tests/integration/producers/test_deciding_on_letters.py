"""A person replays a dead letter or drops it: once, with the effect that the message asked for."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from dramatiq.common import xq_name
from sqlalchemy import select, text

from models import (
    Command,
    CommandStatus,
    CommandType,
    Database,
    DeadLetter,
    DeadLetterStatus,
    Event,
    Outbox,
    Queue,
)
from models.command import accept, finish
from models.envelope import LARGEST
from models.figures import figures
from models.outbox import COMMANDS, INGRESS
from models.session import clock
from models.vault import Vault
from producers import ingress as ingress_module
from producers.autopsy import keep_dead
from producers.dead_letters import AlreadyDecidedError, CannotReplayError, drop, replay
from producers.delivery import Delivery
from producers.ingress import take
from tests.integration.producers.senders import (
    ORDER,
    SHOP,
    VAULT,
    an_event,
    commands,
    events,
    letters,
)
from tests.servers import until


def from_outside(event: dict[str, Any] | bytes, **properties: Any) -> Delivery:
    """A message as it came over the exchange."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    usual = {"exchange": COMMANDS, "routing_key": "order", "bytes": len(body)}
    return Delivery(INGRESS, False, usual | properties, body)


def from_work(kwargs: dict[str, Any], actor: str = "poll", **fields: Any) -> Delivery:
    """A message that a worker gave up."""
    message = {
        "queue_name": Queue.POLL,
        "actor_name": actor,
        "args": [],
        "kwargs": kwargs,
        "options": {},
        "message_id": str(uuid4()),
        "message_timestamp": 1764000000000,
    }
    body = json.dumps(message | fields).encode()
    return Delivery(xq_name(Queue.POLL), False, {"bytes": len(body)}, body)


def refused(database: Database, event: dict[str, Any] | bytes, **properties: Any) -> DeadLetter:
    """The letter of a command that the ingress does not take."""
    take(database, VAULT, from_outside(event, **properties))
    return letters(database)[-1]


def refused_by_a_fault_of_ours(
    database: Database, monkeypatch: pytest.MonkeyPatch, event: dict[str, Any], **properties: Any
) -> DeadLetter:
    """The letter of a sound command that came at a bad moment."""

    def admit(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(ingress_module, "admit", admit)
        return refused(database, event, **properties)


def gave_up(database: Database, delivery: Delivery) -> DeadLetter:
    """The letter of a work message."""
    keep_dead(database, VAULT, delivery)
    return letters(database)[-1]


def as_it_stands(database: Database, letter: DeadLetter) -> DeadLetter:
    """The letter now."""
    with database.transaction() as db:
        return db.get_one(DeadLetter, letter.id)


def log_of(database: Database, letter: DeadLetter) -> list[tuple[str, str, str | None]]:
    """(type, who, why) of what happened to a letter."""
    with database.transaction() as db:
        found = db.scalars(select(Event).where(Event.subject == letter.id))
        return [(event.type, event.who, event.why) for event in found]


def a_waiting_poll(database: Database) -> Command:
    """A command that is due in an hour."""
    with database.transaction() as db:
        command, _ = accept(
            db, CommandType.POLL, {}, requested_by="ida", source="test", after=timedelta(hours=1)
        )
    return command


def test_a_replayed_command_keeps_its_id_its_source_and_who_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = an_event()
    letter = refused_by_a_fault_of_ours(database, monkeypatch, event, user_id="shop")

    assert replay(database, VAULT, letter.id, who="ida") == event["id"]

    [command] = commands(database)
    assert (command.id, command.payload) == (event["id"], ORDER)
    assert (command.source, command.requested_by) == (SHOP, "shop")
    now = as_it_stands(database, letter)
    assert (now.status, now.decided_by) == (DeadLetterStatus.REPLAYED, "ida")
    assert now.decision == f"command {event['id']}"
    assert log_of(database, letter) == [("dead_letter.replayed", "ida", now.decision)]


def test_a_command_whose_password_was_sealed_with_a_key_that_is_there_now_can_be_replayed(
    database: Database,
) -> None:
    key = Fernet.generate_key()
    sealed = Vault(key.decode()).seal(b"hunter2").decode()
    letter = refused(database, an_event(data=ORDER | {"keystore_password_sealed": sealed}))
    assert "is not sealed" in letter.reason
    with pytest.raises(CannotReplayError, match="is not sealed"):
        replay(database, VAULT, letter.id, who="ida")
    with database.transaction() as db:  # as the line's own keys, rotated
        db.get_one(DeadLetter, letter.id).body_sealed = Vault(key.decode()).seal(
            VAULT.open(letter.body_sealed)
        )

    replay(database, Vault(key.decode()), letter.id, who="ida")

    assert len(commands(database)) == 1


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (an_event(data={}), "data.common_name: is missing"),
        (an_event("poll"), "came by the routing key 'order'"),
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
        replay(database, VAULT, letter.id, who="ida")

    assert as_it_stands(database, letter).status is DeadLetterStatus.WAITING
    assert log_of(database, letter) == []
    assert commands(database) == []
    assert len(events(database, "command.rejected")) == 1


def test_an_id_that_stands_for_something_else_cannot_be_replayed(database: Database) -> None:
    event = an_event()
    take(database, VAULT, from_outside(event))
    letter = refused(database, event | {"data": ORDER | {"term": 365}})

    with pytest.raises(CannotReplayError, match="already used with another payload"):
        replay(database, VAULT, letter.id, who="ida")


def test_a_replayed_work_message_makes_its_open_command_due(database: Database) -> None:
    command = a_waiting_poll(database)
    letter = gave_up(database, from_work({"command_id": command.id}))

    assert replay(database, VAULT, letter.id, who="ida") == command.id

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
        replay(database, VAULT, letter.id, who="ida")


@pytest.mark.parametrize(
    ("delivery", "says"),
    [
        (from_work({"command_id": str(uuid4())}), "is not known"),
        (from_work({}), "should have `command_id`"),
        (from_work({}, actor="teapot"), "there is no step 'teapot'"),
        (from_work({}, options=None), "no message in Dramatiq's format"),
        (Delivery(xq_name(Queue.POLL), False, {"bytes": 2}, b"[]"), "no message in Dramatiq's for"),
    ],
    ids=["unknown", "nothing", "no step", "no options", "no message"],
)
def test_a_work_message_about_nothing_cannot_be_replayed(
    database: Database, delivery: Delivery, says: str
) -> None:
    letter = gave_up(database, delivery)

    with pytest.raises(CannotReplayError, match=says):
        replay(database, VAULT, letter.id, who="ida")


def test_a_whole_command_in_dramatiqs_format_can_be_replayed(database: Database) -> None:
    event = an_event("poll")
    letter = gave_up(database, from_work(event, options={"retries": 30}))
    assert letter.reason == "it failed 31 times; the workers' log says how"

    assert replay(database, VAULT, letter.id, who="ida") == event["id"]

    assert [command.id for command in commands(database)] == [event["id"]]


def test_a_dropped_letter_keeps_the_reason_and_has_no_effect(database: Database) -> None:
    letter = refused(database, an_event(data={}))

    drop(database, letter.id, reason="a test of the shop's", who="ida")

    now = as_it_stands(database, letter)
    assert (now.status, now.decision) == (DeadLetterStatus.DROPPED, "a test of the shop's")
    assert log_of(database, letter) == [("dead_letter.dropped", "ida", "a test of the shop's")]
    assert commands(database) == []


def test_the_same_message_after_the_decision_is_another_letter(database: Database) -> None:
    event = an_event(data={})
    drop(database, refused(database, event).id, reason="mended", who="ida")

    assert refused(database, event).status is DeadLetterStatus.WAITING
    assert len(letters(database)) == 2


def test_a_letter_is_decided_on_once_however_many_do_so_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refused_by_a_fault_of_ours(database, monkeypatch, an_event())

    def decide(number: int) -> bool:
        try:
            if number % 2:
                drop(database, letter.id, reason="mended", who="ida")
            else:
                replay(database, VAULT, letter.id, who="ida")
        except AlreadyDecidedError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        with database.transaction() as db:
            db.get_one(DeadLetter, letter.id, with_for_update=True)
            decided = [pool.submit(decide, number) for number in range(3)]
            until(lambda: held_up(database) == 3, 30)
        outcomes = [each.result(30) for each in decided]

    assert sum(outcomes) == 1
    assert len(log_of(database, letter)) == 1
    was_replayed = as_it_stands(database, letter).status is DeadLetterStatus.REPLAYED
    assert len(commands(database)) == was_replayed


def held_up(database: Database) -> int:
    """How many transactions wait for another one's lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.transaction() as db:
        return db.scalar(text(waiting)) or 0


def test_a_monitor_counts_the_letters_that_wait(database: Database) -> None:
    def waiting() -> float:
        return database.run(figures)["certline_dead_letters_waiting"]

    assert waiting() == 0
    first = refused(database, an_event(data={}))
    refused(database, b"{")
    assert waiting() == 2
    drop(database, first.id, reason="mended", who="ida")
    assert waiting() == 1
