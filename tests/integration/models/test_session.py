"""Tests of the one clock: Postgres' own, read once per transaction."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import InvalidRequestError

from certline.models import Database
from certline.models.database.session import clock


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database."""
    database = Database(database_url)
    yield database
    database.close()


def test_the_clock_is_that_of_postgres_and_stands_still_in_a_transaction(
    database: Database,
) -> None:
    with database.transaction() as db:
        now = clock(db)

        assert now == db.scalar(select(func.now()))
        assert clock(db) == now
        assert clock(db, timedelta(hours=1)) == now + timedelta(hours=1)


def test_the_clock_is_asked_for_once_in_a_transaction(database: Database) -> None:
    asked = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: object) -> None:
        asked.append(statement)

    with database.transaction() as db:
        clock(db)
        clock(db, timedelta(seconds=1))
        with db.begin_nested():
            clock(db)

    assert len([statement for statement in asked if "now()" in statement]) == 1


def test_the_next_transaction_has_its_own_time(database: Database) -> None:
    with database.transaction() as db:
        before = clock(db)

    with database.transaction() as db:
        assert clock(db) > before


def test_no_other_transaction_begins_in_a_session(database: Database) -> None:
    with database.transaction() as db:
        db.rollback()

        with pytest.raises(InvalidRequestError):
            clock(db)


def test_a_connection_that_the_server_has_closed_is_replaced_unseen(database: Database) -> None:
    own = database.run(lambda db: db.scalar(text("SELECT pg_backend_pid()")))
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [own])

    assert database.run(lambda db: db.scalar(text("SELECT pg_backend_pid()"))) != own


def test_a_connection_is_not_replaced_for_news_that_it_need_not_heed(database: Database) -> None:
    with database.transaction() as db:
        own = db.scalar(text("SELECT pg_backend_pid()"))
        db.execute(text("LISTEN news"))
    with psycopg.connect(database.url, autocommit=True) as other:
        other.execute("NOTIFY news")

    assert database.run(lambda db: db.scalar(text("SELECT pg_backend_pid()"))) == own
