"""Tests of work messages that no worker accepts: they become dead letters at once, with a reason."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
from dramatiq.common import xq_name
from pydantic import SecretStr
from sqlalchemy import select, text

from certline.models import Command, CommandStatus, CommandType, Database, Queue
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.kinds import KINDS
from certline.models.settings import Settings
from certline.producers.messaging.dead_work import keep_dead
from certline.producers.messaging.delivery import Delivery
from certline.workers.app import declare
from certline.workers.process.broker import make_broker
from certline.workers.runtime.context import WorkerContext
from tests.integration.producers.senders import (
    ORDER,
    VAULT,
    Sender,
    a_letter,
    an_event,
    commands,
    counts,
    events,
    left,
    letters,
)
from tests.servers import until
from tests.support.factories import an_account
from tests.support.sealed_rows import opened

UNKNOWN = "0190aaaa-0000-7000-8000-000000000000"


@pytest.fixture
def worker(database: Database, vhost: str, sender: Sender) -> Iterator[None]:
    """Run a worker on every queue, in this process."""
    assert sender  # requested first: it empties the queues
    settings = Settings(database_url=SecretStr(database.url), rabbitmq_url=SecretStr(vhost))
    broker = make_broker(settings)
    declare(broker, WorkerContext(database, VAULT, settings))
    worker = dramatiq.Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    yield
    worker.stop()
    broker.close()


def a_message(actor: str = "poll", **fields: Any) -> dict[str, Any]:
    """Return a message in Dramatiq's format, changed by the given fields."""
    usual = {
        "queue_name": KINDS[CommandType(actor)].queue if actor in KINDS else Queue.POLL,
        "actor_name": actor,
        "args": [],
        "kwargs": {"command_id": UNKNOWN},
        "options": {},
        "message_id": str(uuid4()),
        "message_timestamp": 1764000000000,
    }
    return usual | fields


def publish(sender: Sender, message: dict[str, Any] | bytes) -> None:
    """Put a message on its work queue, as another system might."""
    if isinstance(message, bytes):
        sender.send(message, exchange="", key=Queue.POLL)
        return
    body, queue, own_id = json.dumps(message).encode(), message["queue_name"], message["message_id"]
    sender.send(body, exchange="", key=queue, message_id=own_id)


def a_command(database: Database, kind: CommandType = CommandType.SYNC, **payload: Any) -> Command:
    """Accept a command whose own message is not sent: no relay runs."""
    with database.transaction() as db:
        command, _ = accept(db, kind, payload, requested_by=Identity("os:ida"), source="test")
    return command


def status_of(database: Database, command_id: str) -> CommandStatus | None:
    """Return the status of a command, or None if there is none."""
    with database.transaction() as db:
        return db.scalar(select(Command.status).where(Command.id == command_id))


NO_FORMAT = "it is not a message in Dramatiq's format"
# (changed fields of a message, reason of its dead letter)
ODD: list[tuple[dict[str, Any], str]] = [
    ({}, f"command {UNKNOWN} is not known"),
    ({"kwargs": {"command_id": "17"}}, "id: '17' is not a UUID"),
    ({"kwargs": {"command_id": 17}}, "command_id: should be a text"),
    ({"kwargs": {"command_id": UNKNOWN, "more": 1}}, "should have `command_id` and nothing else"),
    ({"kwargs": {}}, "should have `command_id` and nothing else"),
    ({"kwargs": {"id": "17"}}, "id: '17' is not a UUID; source: is missing"),
    ({"args": [1, 2]}, "args: should be empty"),
    ({"args": [UNKNOWN], "kwargs": {}}, f"command {UNKNOWN} is not known"),
    ({"actor_name": "teapot"}, "there is no step 'teapot'"),
    ({"options": None}, f"{NO_FORMAT}: kwargs and options must be objects"),
    ({"actor_name": ["poll"]}, f"{NO_FORMAT}: actor_name and message_id must be strings"),
    ({"colour": "blue"}, NO_FORMAT),
]


@pytest.mark.slow
@pytest.mark.usefixtures("worker", "ingress")
def test_messages_about_no_command_are_dead_letters_at_their_first_try(
    database: Database, sender: Sender
) -> None:
    messages = [a_message(**fields) for fields, _ in ODD]
    for message in messages:
        publish(sender, message)

    until(lambda: counts(database) == (0, len(ODD)), 30)

    found = {letter.message_id: letter for letter in letters(database)}
    for message, (_, says) in zip(messages, ODD, strict=True):
        letter = found[message["message_id"]]
        assert says in letter.reason
        assert (letter.source, letter.attempts) == (Queue.POLL, 1)
        assert json.loads(opened(VAULT, letter, "body_sealed")) == message
        assert letter.properties["headers"]["x-death"][0]["reason"] == "rejected"
    assert events(database, "command.rejected") == []


@pytest.mark.usefixtures("worker", "ingress")
def test_what_is_no_json_is_a_dead_letter_and_is_not_logged(
    database: Database, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    for body in (b"\xff\xfe", b"", b"[]", b"[" * 100_000, b'{"a": 1e999}'):
        publish(sender, body + b"hunter2")

    until(lambda: counts(database) == (0, 5), 30)

    assert {letter.reason for letter in letters(database)} == {NO_FORMAT}
    assert "hunter2" not in caplog.text


@pytest.mark.usefixtures("worker", "ingress")
def test_a_message_that_names_another_steps_command_leaves_that_alone(
    database: Database, sender: Sender
) -> None:
    command = a_command(database)

    publish(sender, a_message("poll", kwargs={"command_id": command.id}))

    letter = a_letter(database)
    assert letter.reason == f"command {command.id} is sync, not poll"
    assert letter.command_id == command.id
    assert status_of(database, command.id) is CommandStatus.QUEUED


@pytest.mark.usefixtures("worker", "ingress")
def test_a_whole_command_in_dramatiqs_format_is_recorded_and_done(
    database: Database, sender: Sender
) -> None:
    event = an_event("poll", subject="all of them")

    publish(sender, a_message("poll", kwargs=event))

    until(lambda: status_of(database, event["id"]) is CommandStatus.DONE, 30)
    [command] = commands(database)
    assert (command.source, command.result) == (event["source"], {"orders": 0})
    assert letters(database) == []


@pytest.mark.usefixtures("worker", "ingress")
def test_what_dramatiq_itself_writes_is_taken_once_and_calls_nobody_else(
    database: Database, sender: Sender
) -> None:
    event = an_event("poll")
    other = dramatiq.Message[None](Queue.BULK, "sync", (), an_event("sync"), {})
    options = {"pipe_target": other.asdict(), "on_success": "sync", "max_retries": "abc"}
    for _ in range(2):  # as it is sent again
        raw = dramatiq.Message[None](Queue.POLL, "poll", (), event, options)
        sender.send(raw.encode(), exchange="", key=raw.queue_name)

    until(lambda: status_of(database, event["id"]) is CommandStatus.DONE, 30)
    until(lambda: left(sender.url, Queue.POLL) == 0, 30)
    assert counts(database) == (1, 0)


@pytest.mark.usefixtures("worker", "ingress")
@pytest.mark.parametrize(
    "wrong",
    [
        ("order", {"data": ORDER | {"colour": "blue"}}, "data.colour: there is no such field"),
        ("order", {"data": ORDER | {"term": "\0"}}, "contains the character NUL"),
        ("order", {"data": ORDER | {"keystore_password_sealed": "hunter2"}}, "is not sealed with"),
        ("order", {"type": "certline.command.fetch.v1"}, "certline.command.fetch.v1' is not a com"),
        ("poll", {}, "type: order is not done by the actor poll"),
    ],
    ids=["unknown field", "NUL", "password", "not for others", "another step"],
)
def test_a_whole_command_that_is_wrong_is_a_dead_letter_and_answered(
    database: Database,
    sender: Sender,
    caplog: pytest.LogCaptureFixture,
    wrong: tuple[str, dict[str, Any], str],
) -> None:
    actor, changes, says = wrong
    event = an_event() | changes

    publish(sender, a_message(actor, kwargs=event))

    letter = a_letter(database)
    assert says in letter.reason
    assert (letter.command_id, letter.attempts) == (event["id"], 1)
    [answer] = events(database, "command.rejected")
    assert (answer["correlationid"], answer["subject"]) == (event["id"], letter.id)
    assert "hunter2" not in letter.reason + caplog.text + json.dumps(answer)
    assert commands(database) == []


@pytest.mark.usefixtures("worker", "ingress")
def test_a_whole_command_whose_id_stands_for_something_else_is_a_dead_letter(
    database: Database, sender: Sender
) -> None:
    command = a_command(database)

    publish(sender, a_message("poll", kwargs=an_event("poll", id=command.id)))

    assert f"command id {command.id} is in use" in a_letter(database).reason


@pytest.mark.usefixtures("worker", "ingress")
def test_a_step_that_failed_to_the_end_says_how_often_and_how_its_command_stands(
    database: Database, sender: Sender
) -> None:
    with database.transaction() as db:
        an_account(db, name="demo")
        db.execute(
            text("ALTER TABLE account RENAME COLUMN secret_sealed TO gone")
        )  # a fault of ours
    command = a_command(database, account="demo")

    publish(
        sender,
        a_message("sync", kwargs={"command_id": command.id}, options={"retries": 30}),
    )

    letter = a_letter(database)
    assert letter.reason == ("it failed 31 times; see the workers' log; its command is running")
    assert (letter.command_id, letter.attempts) == (command.id, 31)
    assert letter.source == Queue.BULK


@pytest.mark.usefixtures("ingress")
@pytest.mark.parametrize("queue", Queue)
def test_every_queues_dead_letters_are_taken_out_of_rabbitmq(
    database: Database, sender: Sender, vhost: str, queue: Queue
) -> None:
    sender.send(json.dumps(a_message()).encode(), exchange="", key=xq_name(queue))

    assert a_letter(database).source == queue
    until(lambda: left(vhost, xq_name(queue)) == 0, 30)


def test_a_dead_letter_that_rabbitmq_delivers_again_is_kept_once(database: Database) -> None:
    body = json.dumps(a_message(kwargs=an_event(data={}), actor_name="order")).encode()
    delivery = Delivery(xq_name(Queue.ORDER), True, {}, body)

    for _ in range(3):
        keep_dead(database, VAULT, delivery)

    assert len(letters(database)) == len(events(database, "command.rejected")) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"options": {"retries": 10**30}},
        {"message_id": "nul\0\ud800" + "x" * 100_000},
        {"actor_name": "\0\ud800" * 1_000},
        {"kwargs": {"command_id": "\0" * 1_000}},
        {"kwargs": {"\0": 1, "id": UNKNOWN}},
        {"args": ["\ud800"], "kwargs": {}},
    ],
    ids=["retries", "message id", "actor", "command id", "name", "args"],
)
def test_whatever_a_dead_letter_says_it_can_be_stored(
    database: Database, fields: dict[str, Any]
) -> None:
    body = json.dumps(a_message(**fields)).encode()

    keep_dead(database, VAULT, Delivery(xq_name(Queue.POLL), False, {}, body))

    [letter] = letters(database)
    assert letter.reason
    assert len(letter.reason) < 400
