"""Tests of a relay that loses RabbitMQ or Postgres: no row is lost."""

from urllib.parse import unquote, urlsplit

import pytest
from sqlalchemy import text

from certline.models import Database
from certline.producers.messaging.publisher import RabbitWire
from certline.producers.messaging.shipment import WireDownError
from certline.producers.relay import Relay
from tests.integration.producers.outgoing import emit, sent
from tests.integration.producers.rabbit import a_wire, ids, rows, running, waiting
from tests.servers import RabbitServer, until

pytestmark = pytest.mark.slow

OTHERS_END = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_connections_that_rabbitmq_closes_cost_no_row(
    database: Database, wire: RabbitWire, vhost: str, rabbitmq: RabbitServer
) -> None:
    wire.tend()
    name = unquote(urlsplit(vhost).path.removeprefix("/"))
    wanted = []
    with running(database, vhost):
        for _ in range(2):
            wanted += emit(database, 50)
            rabbitmq.ctl("close_all_connections", "--vhost", name, "a test")
            wanted += emit(database, 50)
            until(lambda: not waiting(database), 30)

    assert set(ids(vhost)) == set(wanted)


def test_a_rabbitmq_that_was_away_gets_what_was_written_meanwhile(
    database: Database, private_rabbitmq: RabbitServer
) -> None:
    url = private_rabbitmq.url
    with running(database, url):
        wanted = emit(database, 5)
        until(lambda: not waiting(database), 30)
        private_rabbitmq.stop()
        wanted += emit(database, 5)
        private_rabbitmq.start()
        until(lambda: not waiting(database), 60)

    assert set(ids(url)) == set(wanted)


def test_a_relay_without_rabbitmq_marks_nothing(database: Database) -> None:
    emit(database)
    wire = a_wire(database.url, "amqp://127.0.0.1:1/?connection_attempts=1")

    with pytest.raises(WireDownError):
        Relay(database, wire).pump()

    assert sent(database) == [False]
    assert rows(database)[0].attempts == 0


def test_connections_that_postgres_closes_cost_no_row(
    database: Database, wire: RabbitWire, vhost: str
) -> None:
    wire.tend()
    with running(database, vhost) as relay:
        wanted = emit(database, 20)
        until(lambda: not waiting(database), 30)
        with database.transaction() as db:
            db.execute(OTHERS_END)
        wanted += until(lambda: emit(database, 20), 10)
        until(lambda: not waiting(database), 30)
        assert relay.fault() is None

    assert set(ids(vhost)) == set(wanted)


def test_a_relay_that_has_not_reached_its_servers_says_so(database: Database, vhost: str) -> None:
    relay = Relay(database, a_wire(database.url, vhost))

    assert relay.fault() == "has not reached its servers yet"
