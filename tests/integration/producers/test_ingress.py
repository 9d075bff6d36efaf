"""Tests of the ingress: a message of another system becomes a command, once."""

from urllib.parse import unquote, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from certline.models import CommandStatus, CommandType, Database, Outbox, SenderKind
from certline.models.audit.identity import Identity
from certline.models.commands.kinds import PUBLIC
from certline.models.commands.payloads import SyncCommand
from certline.models.events.outbox import EVENTS, INGRESS, emit_event
from certline.producers.requests.catalogue import request_sync
from tests.integration.producers.senders import (
    ORDER,
    SHOP,
    VAULT,
    Sender,
    a_command,
    a_letter,
    an_event,
    commands,
    events,
    left,
    letters,
)
from tests.servers import until
from tests.support.documented_events import some
from tests.support.factories import a_sender, an_account


@pytest.mark.usefixtures("ingress")
def test_a_command_is_recorded_under_its_id_with_a_message_for_a_worker(
    database: Database, sender: Sender, vhost: str
) -> None:
    event = an_event(subject="shop 17", time="2026-11-23T12:00:00Z", traceparent="00-1")
    user = unquote(urlsplit(vhost).username or "")

    sender.send(event, user_id=user)

    command = a_command(database)
    assert (command.id, command.type) == (event["id"], CommandType.ORDER)
    assert (command.source, command.requester) == (SHOP, Identity(f"amqp:{user}", SHOP))
    assert (command.status, command.payload) == (CommandStatus.QUEUED, ORDER)
    with database.transaction() as db:
        [message] = db.scalars(select(Outbox))
    assert (message.exchange, message.routing_key) == ("", "certline.order")
    assert message.body["kwargs"] == {"command_id": event["id"]}
    until(lambda: left(vhost) == 0, 30)


@pytest.mark.usefixtures("ingress")
def test_without_a_user_that_rabbitmq_vouches_for_it_is_the_legacy_senders_and_its_source_a_claim(
    database: Database, sender: Sender
) -> None:
    with database.transaction() as db:
        db.execute(text("DELETE FROM sender"))
        a_sender(db, name="legacy", amqp_user=None, kind=SenderKind.LEGACY)

    sender.send(an_event("sync"), user_id=None)

    command = a_command(database)
    assert command.requester == Identity("unknown", SHOP)
    assert command.sender == "legacy"


@pytest.mark.usefixtures("ingress")
def test_a_command_that_comes_straight_to_the_queue_is_taken_too(
    database: Database, sender: Sender
) -> None:
    sender.send(an_event("poll"), exchange="", key=INGRESS)

    assert a_command(database).type is CommandType.POLL


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_a_routing_key_before_any_ingress_has_run(
    database: Database, sender: Sender, vhost: str, name: str
) -> None:
    assert commands(database) == []

    sender.send(an_event(name))  # otherwise RabbitMQ returns it, and this raises

    assert left(vhost) == 1


@pytest.mark.usefixtures("ingress")
def test_the_same_command_again_does_nothing_new(database: Database, sender: Sender) -> None:
    event, last = an_event(), an_event("sync")

    for _ in range(5):
        sender.send(event)
    sender.send(last)

    until(lambda: last["id"] in [command.id for command in commands(database)], 30)
    assert len(commands(database)) == 2
    assert letters(database) == []
    with database.transaction() as db:
        assert len(list(db.scalars(select(Outbox)))) == 2


@pytest.mark.usefixtures("ingress")
def test_the_same_command_again_has_its_last_event_sent_again_under_the_events_own_id(
    database: Database, sender: Sender
) -> None:
    event = an_event()
    sender.send(event)
    until(lambda: commands(database), 30)
    with database.transaction() as db:
        for kind in ("order.placed", "order.pending", "command.rejected"):
            emit_event(db, some(kind), subject=None, correlation_id=event["id"])
        emit_event(db, some("order.placed"), subject=None, correlation_id=str(uuid4()))
        emit_event(db, some("sync.completed"), subject=None, correlation_id=None)
    with database.transaction() as db:
        sent = db.execute(
            update(Outbox).values(sent_at=Outbox.created_at).returning(Outbox.event_id)
        )
        assert len(sent.all()) == 6

    sender.send(event)

    [again] = until(lambda: unsent(database), 30)
    assert (again.routing_key, again.body["correlationid"]) == ("order.pending", event["id"])
    assert again.event_id == again.body["id"]


def unsent(database: Database) -> list[Outbox]:
    """Return the events that are not sent yet."""
    with database.transaction() as db:
        query = select(Outbox).where(Outbox.exchange == EVENTS, Outbox.sent_at.is_(None))
        return list(db.scalars(query))


@pytest.mark.usefixtures("ingress")
def test_a_command_that_was_refused_may_come_again_under_its_id_once_it_is_mended(
    database: Database, sender: Sender
) -> None:
    event = an_event(data=ORDER | {"term": 0})
    sender.send(event)
    assert a_letter(database).command_id == event["id"]

    sender.send(event | {"data": ORDER})

    assert a_command(database).id == event["id"]
    assert len(letters(database)) == 1


@pytest.mark.usefixtures("ingress")
def test_the_same_id_with_other_data_is_refused_and_the_first_stands(
    database: Database, sender: Sender
) -> None:
    event = an_event()
    sender.send(event, user_id="guest")
    sender.send(event | {"data": ORDER | {"term": 365}}, user_id="guest")

    letter = a_letter(database)
    assert "already used with another payload" in letter.reason
    assert letter.command_id == event["id"]
    assert a_command(database).payload == ORDER
    [answer] = events(database, "command.rejected")
    assert answer["correlationid"] == event["id"]


@pytest.mark.usefixtures("ingress")
def test_an_id_that_a_person_used_at_the_terminal_is_taken(
    database: Database, sender: Sender
) -> None:
    with database.transaction() as db:
        an_account(db, name="demo")
    [command] = request_sync(database, SyncCommand(account="demo"), requested_by=Identity("os:ida"))

    sender.send(an_event("poll", id=command.id))

    assert "is in use; a new request needs a new id" in a_letter(database).reason


@pytest.mark.usefixtures("ingress")
def test_a_sealed_password_is_taken_and_is_sealed_anew_for_the_same_command(
    database: Database, sender: Sender
) -> None:
    event = an_event()
    for _ in range(2):
        sealed = VAULT.seal_token(b"hunter2").decode()
        sender.send(event | {"data": ORDER | {"keystore_password_sealed": sealed}})
    sender.send(an_event("sync"))

    until(lambda: len(commands(database)) == 2, 30)
    assert letters(database) == []
