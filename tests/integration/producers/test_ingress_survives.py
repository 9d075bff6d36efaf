"""Tests that no failure of the ingress, its servers or its queue loses or doubles a command."""

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from dramatiq.common import xq_name
from pika.exceptions import ChannelClosedByBroker
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from certline.models import Database, Queue
from certline.models.commands import admission
from certline.models.events.outbox import INGRESS
from certline.models.settings import Settings
from certline.producers import ingress as ingress_module
from certline.producers.ingress import Ingress
from certline.producers.messaging.publisher import rabbit_wire
from certline.workers.process.broker import make_broker
from tests.integration.producers.nonsense import KINDS, bad_messages
from tests.integration.producers.rabbit import a_wire, channel_to
from tests.integration.producers.senders import (
    VAULT,
    Sender,
    an_event,
    commands,
    counts,
    empty,
    events,
    left,
    letters,
    sending,
    taking,
)
from tests.servers import PostgresServer, Process, RabbitServer, until
from tests.support.deployment import Plant
from tests.support.factories import senders_of_everything

pytestmark = pytest.mark.slow

# Seconds: for a machine that is busy with other tests.
PATIENCE = 60
# Messages: more than an ingress accepts while it is being stopped.
MANY = 1_500


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the ingress's pauses."""
    monkeypatch.setattr(ingress_module, "LONGEST_PAUSE", 0.5)


@pytest.fixture
def plant(database_url: str, vhost: str) -> Iterator[Plant]:
    """Yield a plant, for tests where the ingress is a process."""
    empty(database_url, vhost)
    # More dead letters of one sender than are kept otherwise.
    with Plant(database_url, vhost, CERTLINE_MOST_DEAD_LETTERS="2000") as plant:
        yield plant


def test_a_thousand_bad_messages_among_a_thousand_good_ones(
    plant: Plant, database: Database, vhost: str
) -> None:
    bad = [body for _, body in bad_messages(1_000)]
    good = [an_event(name) for name in ("order", "sync", "poll", "order") for _ in range(250)]
    ingress = plant.start("ingress")
    mixed: list[dict[str, Any] | bytes] = [*bad, *good]
    random.Random(8).shuffle(mixed)  # noqa: S311  # the same order in each run

    with sending(vhost) as sender:
        for number, message in enumerate(mixed):
            sender.send(message, message_id=str(number))

    until(lambda: sum(counts(database)) == 2_000, PATIENCE * 2)
    assert {command.id for command in commands(database)} == {event["id"] for event in good}
    assert len(letters(database)) == len(events(database, "command.rejected")) == 1_000
    assert all(letter.reason for letter in letters(database))
    until(lambda: left(vhost) == 0, PATIENCE)
    assert ingress.output.count("ingress.started") == 1
    assert "ingress.waits" not in ingress.output
    assert "a fault of certline itself" not in ingress.output
    assert "hunter2" not in ingress.output
    assert ingress.terminate() == 0


def test_the_bad_messages_are_of_every_kind_and_each_is_its_own() -> None:
    bad = list(bad_messages(1_000))

    assert {kind for kind, _ in bad} == {kind.__name__ for kind in KINDS}
    assert len({body for _, body in bad}) > 800


def test_two_ingresses_and_each_command_three_times(
    database: Database, sender: Sender, vhost: str
) -> None:
    wanted = [an_event("poll") for _ in range(100)]
    bad = [an_event(data={}) for _ in range(20)]
    copies = [*wanted * 3, *bad * 3]
    random.Random(8).shuffle(copies)  # noqa: S311  # the same order in each run
    for event in copies:
        sender.send(event, message_id=event["id"])

    with taking(database, vhost), taking(database, vhost):
        until(lambda: counts(database) == (100, 20), PATIENCE)
        until(lambda: left(vhost) == 0, PATIENCE)  # the copies have been delivered, too

    assert {command.id for command in commands(database)} == {event["id"] for event in wanted}
    assert {letter.command_id for letter in letters(database)} == {event["id"] for event in bad}
    assert counts(database) == (100, 20)


# (message, routing key of the default exchange, (commands, dead letters) it makes)
DEADLY: dict[str, tuple[dict[str, Any], str, tuple[int, int]]] = {
    "a command": (an_event(), INGRESS, (1, 0)),
    "a bad command": (an_event(data={}), INGRESS, (0, 1)),
    "a dead work message": ({"kwargs": {}}, xq_name(Queue.POLL), (0, 1)),
}


@pytest.mark.parametrize(("message", "queue", "made"), DEADLY.values(), ids=DEADLY)
def test_killed_between_the_commit_and_the_ack_it_is_one_with_one_answer(
    plant: Plant, database: Database, message: dict[str, Any], queue: str, made: tuple[int, int]
) -> None:
    vhost = plant.environment["CERTLINE_RABBITMQ_URL"]
    dying = (
        "import os, signal; from pika.adapters.blocking_connection import BlockingChannel as c;"
        "c.basic_ack = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "from certline.cli.main import main; main(['run', 'ingress'])"
    )
    with Process([sys.executable, "-c", dying], plant.environment) as first:
        with sending(vhost) as sender:
            sender.send(message, exchange="", key=queue)
        assert first.wait(PATIENCE) == -9, first.output

    assert counts(database) == made
    until(lambda: left(vhost, queue) == 1, PATIENCE)
    with taking(database, vhost), sending(vhost) as sender:
        sender.send(an_event("sync"), exchange="", key=queue)  # behind it, in the same queue
        until(lambda: sum(counts(database)) == 2, PATIENCE)
    assert left(vhost, queue) == 0
    answered = message.get("data") == {}
    assert len(events(database, "command.rejected")) == answered


@pytest.mark.usefixtures("quick")
def test_while_postgres_is_away_nothing_is_acked_and_nothing_is_lost(
    private_postgres: PostgresServer, private_database_url: str, vhost: str
) -> None:
    database = Database(private_database_url)
    database.run(senders_of_everything)
    empty(private_database_url, vhost)
    wanted = [an_event("poll") for _ in range(30)]
    with sending(vhost) as sender, taking(database, vhost) as ingress:
        sender.send(wanted[0])
        until(lambda: commands(database), PATIENCE)

        private_postgres.stop()
        for event in wanted[1:]:
            sender.send(event)
        sender.send(b"nonsense")
        until(lambda: left(vhost) == 30, PATIENCE)  # returned to the queue, none is held
        assert ingress.beat is not None
        private_postgres.start()

        until(lambda: counts(database) == (30, 1), PATIENCE)
    assert {command.id for command in commands(database)} == {event["id"] for event in wanted}
    assert left(vhost) == 0
    database.close()


@pytest.mark.usefixtures("quick", "ingress")
def test_a_connection_to_postgres_that_ends_in_the_middle_spoils_no_command(
    database: Database, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def admit(db: Session, *args: Any, **named: Any) -> Any:
        tries.append(db)
        if len(tries) == 1:
            db.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return admission.admit(db, *args, **named)

    monkeypatch.setattr(ingress_module, "admit", admit)
    sender.send(an_event())

    until(lambda: commands(database), PATIENCE)
    assert len(tries) == 2
    assert letters(database) == []


@pytest.mark.usefixtures("quick")
def test_it_goes_on_when_rabbitmq_comes_back(
    database: Database, private_rabbitmq: RabbitServer
) -> None:
    empty(database.url, private_rabbitmq.url)
    private_rabbitmq.keep_declarations()
    first, second = an_event("poll"), an_event("poll")
    with taking(database, private_rabbitmq.url):
        with sending(private_rabbitmq.url) as sender:
            sender.send(first)
            until(lambda: commands(database), PATIENCE)

        private_rabbitmq.restart()
        with sending(private_rabbitmq.url) as sender:
            sender.send(second)

        until(lambda: len(commands(database)) == 2, PATIENCE)


def test_its_health_is_that_of_its_connections(database: Database, ingress: Ingress) -> None:
    until(lambda: ingress.fault() is None, PATIENCE)

    fresh = Ingress(database, VAULT, a_wire(database.url, "amqp://nowhere.invalid"))
    assert fresh.fault() == "has not reached its servers yet"
    ingress.beat = -1_000.0
    until(lambda: ingress.fault() is None, PATIENCE)


def test_in_a_cluster_commands_wait_in_a_quorum_queue_that_gives_none_up(
    database: Database, rabbitmq: RabbitServer
) -> None:
    with rabbitmq.vhost() as url:
        settings = Settings(rabbitmq_url=SecretStr(url), queue_type="quorum")
        wire = rabbit_wire(make_broker(settings))
        wire.open()
        wire.close()
        with sending(url) as sender:
            sender.send(an_event())
        for _ in range(22):
            with channel_to(url) as channel:  # as an ingress that dies while it holds a message
                until(lambda: channel.basic_get(INGRESS)[0], PATIENCE)

        with taking(database, url, wire):
            until(lambda: commands(database), PATIENCE)


@pytest.mark.usefixtures("quick", "ingress")
def test_a_queue_that_is_deleted_is_declared_and_bound_again(
    database: Database, sender: Sender, vhost: str
) -> None:
    sender.send(an_event("poll"))
    until(lambda: commands(database), PATIENCE)

    with channel_to(vhost) as channel:
        channel.queue_delete(INGRESS)
    until(lambda: is_there(vhost), PATIENCE)
    sender.send(an_event("poll"))

    until(lambda: len(commands(database)) == 2, PATIENCE)


def is_there(rabbitmq_url: str) -> bool:
    """Check whether the queue is declared and has its consumer."""
    with channel_to(rabbitmq_url) as channel:
        try:
            found = channel.queue_declare(INGRESS, passive=True).method
        except ChannelClosedByBroker:
            return False
        return int(found.consumer_count) > 0


def test_told_to_stop_it_finishes_what_it_holds_and_leaves_the_rest(
    database: Database, sender: Sender, vhost: str
) -> None:
    for _ in range(MANY):
        sender.send(an_event("poll"))

    with taking(database, vhost):
        until(lambda: counts(database) != (0, 0), PATIENCE)

    done, _ = counts(database)
    assert 0 < done < MANY
    until(lambda: left(vhost) == MANY - done, PATIENCE)
