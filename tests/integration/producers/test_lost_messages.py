"""Tests of a broker that has lost its data: the relay publishes the messages of waiting commands again."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest

from certline.models import Command, CommandStatus, Database
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.states import CommandType
from certline.producers.relay import Relay
from certline.producers.sweep import wake_all
from tests.integration.producers.rabbit import a_wire, ids, running, waiting
from tests.integration.producers.sweeping import asked, to_send
from tests.servers import RabbitServer, until

BULK = "certline.bulk"


def test_only_due_commands_that_no_message_is_waiting_for_are_woken(database: Database) -> None:
    with database.transaction() as db:
        lost, running_one = asked(db), asked(db)
        running_one.status = CommandStatus.RUNNING
        asked(db, after=timedelta(hours=1))
        asked(db).status = CommandStatus.DONE
        # Not published yet, so not lost.
        fresh, _ = accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")

    with database.transaction() as db:
        assert wake_all(db) == 1
        assert db.get_one(Command, lost.id).touched_at == clock(db)

    assert sorted(to_send(database)) == sorted([lost.id, fresh.id])
    with database.transaction() as db:
        assert wake_all(db) == 0


@pytest.mark.slow
def test_a_wiped_broker_gets_the_messages_again_within_seconds(
    database: Database, private_rabbitmq: RabbitServer
) -> None:
    url = private_rabbitmq.url
    vhost = unquote(urlsplit(url).path.removeprefix("/")) or "/"
    with running(database, url):
        until(lambda: is_marked(database, url), 60)
        with database.transaction() as db:
            accept(db, CommandType.SYNC, {}, requested_by=Identity("os:ida"), source="cli")
        until(lambda: not waiting(database), 30)
        private_rabbitmq.delete_vhost(vhost)
        private_rabbitmq.add_vhost(vhost)

        until(answers(lambda: len(ids(url, BULK)) == 1), 60)


def test_a_broker_is_marked_once_and_a_marked_one_gets_nothing_again(
    database: Database, vhost: str
) -> None:
    wire = a_wire(database.url, vhost)
    wire.open()
    relay = Relay(database, wire)
    relay.replace_lost()
    with database.transaction() as db:
        asked(db)

    assert relay.replace_lost() == 0
    assert to_send(database) == []
    wire.close()


def is_marked(database: Database, url: str) -> bool:
    wire = a_wire(database.url, url)
    try:
        return not wire.is_new()
    finally:
        wire.close()


def answers(look: Callable[[], bool]) -> Callable[[], bool]:
    """Return the look, as False while RabbitMQ cannot be reached or has no queue yet."""

    def tried() -> bool:
        try:
            return look()
        except Exception:  # noqa: BLE001  # pika raises many kinds meanwhile
            return False

    return tried
