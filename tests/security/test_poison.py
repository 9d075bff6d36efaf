"""An attacker who may send commands sends what nobody survives: it is redelivered without end (review H1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import CurrentMessage
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from certline.models import Database, DeadLetter, Queue, Redelivery
from certline.models.audit.identity import Identity
from certline.models.commands.dead_letter import UNREAD, keep
from certline.models.commands.redelivery import MOST_REDELIVERIES
from certline.models.csr.private_key import NOTICE
from certline.models.events.outbox import COMMANDS
from certline.models.settings import Settings
from certline.models.vault import Vault
from certline.producers import ingress as ingress_module
from certline.producers.messaging.delivery import Delivery
from certline.producers.messaging.poison import PoisonWatch
from certline.producers.messaging.shipment import WireDownError
from certline.producers.requests.dead_letters import replay
from certline.workers.process.broker import cleanse
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.messages import RefusedMessageError
from certline.workers.runtime.redelivery import require_readable
from tests.integration.producers.letters import from_outside, from_work, gave_up
from tests.integration.producers.senders import (
    VAULT,
    an_event,
    commands,
    empty,
    events,
    letters,
    sending,
    taking,
)
from tests.security.shop import copies
from tests.servers import until
from tests.support.factories import a_sender, senders_of_everything
from tests.support.sealed_rows import opened
from tests.support.signing_requests import PRIVATE

OWN = "0190aaaa-0000-7000-8000-000000000000"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, in which the shop and the users of the tests' RabbitMQ are senders."""
    database = Database(database_url)
    with database.transaction() as db:
        senders_of_everything(db)
        a_sender(db, name="shop", amqp_user="shop")
    yield database
    database.close()


class Lost(Exception):
    """Stands for the death of a process, or the loss of its connection, while it reads."""


def redelivered(event: dict[str, Any], **properties: Any) -> Delivery:
    """Return a command as RabbitMQ delivers it again."""
    return replace(from_outside(event, **properties), redelivered=True)


def test_a_message_that_nobody_survives_is_put_aside_unread(database: Database) -> None:
    read: list[str] = []

    def die(delivery: Delivery) -> None:
        read.append(delivery.message_id)
        raise Lost

    handler = PoisonWatch(database, VAULT).over(die)
    poison = an_event()
    with pytest.raises(Lost):
        handler(from_outside(poison, message_id="m1", user_id="shop"))
    for _ in range(MOST_REDELIVERIES - 1):
        # A new watch: the count outlives the process.
        with pytest.raises(Lost):
            PoisonWatch(database, VAULT).over(die)(
                redelivered(poison, message_id="m1", user_id="shop")
            )
    PoisonWatch(database, VAULT).over(die)(redelivered(poison, message_id="m1", user_id="shop"))

    assert len(read) == MOST_REDELIVERIES
    [letter] = letters(database)
    assert "delivered again 5 times" in letter.reason
    assert letter.properties[UNREAD] is True
    [told] = events(database, "command.rejected")
    assert (told["data"]["sender"], told["data"]["message_id"]) == ("shop", "m1")
    assert copies(database, "command.rejected") == [["shop"]]  # in the shop's own queue, too
    # An operator may still have it read.
    assert replay(database, VAULT, letter.id, who=Identity("os:test")) == poison["id"]


def test_what_is_put_aside_unread_holds_no_private_key_in_pem(database: Database) -> None:
    with database.transaction() as db:
        kept = keep(
            db,
            VAULT,
            PRIVATE.encode(),
            source=COMMANDS,
            reason="unread",
            properties={},
            message_id="",
            command_id=None,
            attempts=5,
            unread=True,
        )

    with database.transaction() as db:
        assert opened(VAULT, db.get_one(DeadLetter, kept.id), "body_sealed") == NOTICE.encode()


def test_a_message_is_not_blamed_for_faults_of_ours(database: Database) -> None:
    def fail(_: Delivery) -> None:
        raise OperationalError("", {}, Exception("Postgres is away"))

    handler = PoisonWatch(database, VAULT).over(fail)
    for _ in range(3 * MOST_REDELIVERIES):
        with pytest.raises(OperationalError):
            handler(redelivered(an_event(id=OWN)))

    assert letters(database) == []


def test_a_first_delivery_costs_no_statement(database: Database) -> None:
    PoisonWatch(database, VAULT).over(lambda _: None)(from_outside(an_event()))

    with database.transaction() as db:
        assert db.scalar(select(func.count()).select_from(Redelivery)) == 0


def test_a_poison_message_leaves_the_queue_and_an_honest_order_behind_it_is_taken(
    database: Database, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingress_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(ingress_module, "LONGEST_PAUSE", 0.01)
    real, poison, honest = ingress_module.take, an_event(), an_event()

    def take(database: Database, vault: Vault, delivery: Delivery, **limits: Any) -> None:
        if poison["id"].encode() in delivery.body:
            raise WireDownError("the connection was lost while it was read")
        real(database, vault, delivery, **limits)

    monkeypatch.setattr(ingress_module, "take", take)
    empty(database.url, vhost)
    with sending(vhost) as sender:
        sender.send(poison)
        sender.send(honest)
        with taking(database, vhost):
            [command] = until(lambda: commands(database), 120)
            [letter] = until(lambda: letters(database), 120)

    assert command.id == honest["id"]
    assert letter.properties[UNREAD] is True


def test_a_whole_command_that_no_worker_survives_is_put_aside_unread(database: Database) -> None:
    context = WorkerContext(database, VAULT, Settings())
    delivery = from_work(an_event("poll"))
    message = WorkMessage(delivery.body)
    with current(message):
        for _ in range(MOST_REDELIVERIES - 1):
            require_readable(context)
        with pytest.raises(RefusedMessageError, match="delivered again 5 times"):
            require_readable(context)

    letter = gave_up(database, delivery)

    assert letter.properties[UNREAD] is True
    assert commands(database) == []


def test_a_message_that_only_names_a_command_is_counted_by_that_command(database: Database) -> None:
    context = WorkerContext(database, VAULT, Settings())
    named = WorkMessage(from_work({"command_id": OWN}).body)

    with current(named):
        for _ in range(3 * MOST_REDELIVERIES):
            require_readable(context)


class WorkMessage(MessageProxy):
    """A work message as RabbitMQ delivers it again."""

    def __init__(self, body: bytes) -> None:
        super().__init__(dramatiq.Message.decode(body))
        cleanse(self._message, Queue.POLL)
        self.redelivered = True


@contextmanager
def current(message: WorkMessage) -> Iterator[None]:
    """Let this thread work on a message, as Dramatiq's middleware does."""
    middleware = CurrentMessage()
    middleware.before_process_message(StubBroker(), message)
    try:
        yield
    finally:
        middleware.after_process_message(StubBroker(), message)
