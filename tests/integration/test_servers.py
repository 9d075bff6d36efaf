"""Tests of the test servers: they keep durable data when they are killed, and leave nothing behind."""

from pathlib import Path

import pika
import psycopg
import pytest

from tests.servers import PostgresServer, RabbitServer, open_postgres, open_rabbitmq, run


@pytest.mark.parametrize("immediate", [True, False])
def test_a_table_is_still_there_after_postgres_was_restarted(
    private_postgres: PostgresServer, immediate: bool
) -> None:
    with private_postgres.database() as url:
        execute(url, "CREATE TABLE orders AS SELECT 7 AS id")

        private_postgres.restart(immediate=immediate)

        assert execute(url, "SELECT id FROM orders") == [(7,)]


def test_a_committed_row_is_still_there_after_postgres_was_killed(
    private_postgres: PostgresServer,
) -> None:
    with private_postgres.database() as url, psycopg.connect(url, autocommit=True) as client:
        client.execute("CREATE TABLE orders AS SELECT 7 AS id")

        private_postgres.kill()

        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
        private_postgres.start()
        assert execute(url, "SELECT id FROM orders") == [(7,)]


def test_a_database_is_a_copy_of_its_template_and_goes_with_its_test(
    postgres: PostgresServer,
) -> None:
    with postgres.database() as template:
        execute(template, "CREATE TABLE orders AS SELECT 7 AS id")

        with postgres.database(template) as url:
            assert execute(url, "SELECT id FROM orders") == [(7,)]

        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            execute(url, "SELECT 1")


def test_a_durable_queue_is_still_there_after_rabbitmq_was_killed_and_after_it_was_stopped(
    private_rabbitmq: RabbitServer,
) -> None:
    with private_rabbitmq.vhost() as url:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("orders", durable=True)
            persistent = pika.BasicProperties(delivery_mode=2)
            channel.basic_publish("", "orders", b"7", persistent)
        private_rabbitmq.keep_declarations()

        private_rabbitmq.restart(immediate=True)
        private_rabbitmq.restart(immediate=False)

        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            _, _, body = connection.channel().basic_get("orders", auto_ack=True)
            assert body == b"7"


def test_a_module_has_a_vhost_of_its_own(rabbitmq: RabbitServer, vhost: str) -> None:
    assert vhost != rabbitmq.url
    with pika.BlockingConnection(pika.URLParameters(vhost)) as connection:
        connection.channel().queue_declare("orders", exclusive=True)


def test_nothing_is_left_of_private_servers() -> None:
    before = folders()

    with open_postgres(private=True) as postgres, open_rabbitmq(private=True) as rabbitmq:
        assert postgres.is_ready()
        assert rabbitmq.is_ready()

    assert not postgres.is_ready()
    assert not rabbitmq.is_ready()
    assert folders() == before


def folders() -> set[Path]:
    """Return the folders of running servers."""
    return {path for path in run.folder().iterdir() if path.is_dir()}


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement. Returns its rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []
