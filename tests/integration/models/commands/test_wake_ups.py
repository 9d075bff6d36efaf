"""Tests that a transaction wakes the relay once, and only for what is due."""

import psycopg
import pytest
from sqlalchemy import Connection, event, update

from certline.models import Command, Database
from certline.models.database.relay_bell import WAKE_CHANNEL
from certline.models.database.session import SOON
from certline.models.events.outbox import emit_event
from tests.integration.models.commands.accepted import LATER, asked
from tests.support.documented_events import some


def test_one_transaction_wakes_the_relay_once(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {WAKE_CHANNEL}".encode())
        with database.transaction() as db:
            for number in range(5):
                asked(db, payload={"n": number})
                emit_event(db, some("order.issued"), subject=None, correlation_id=None)

        # Notifications arrive in commit order: after this one there are no more.
        listener.execute(f"NOTIFY {WAKE_CHANNEL}, 'end'".encode())
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=2)]

    assert heard == ["", "end"]


def test_a_message_that_falls_due_before_the_relay_looks_by_itself_wakes_it(
    database: Database,
) -> None:
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {WAKE_CHANNEL}".encode())
        with database.transaction() as db:
            asked(db, after=SOON / 2)

        listener.execute(f"NOTIFY {WAKE_CHANNEL}, 'end'".encode())
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=2)]

    assert heard == ["", "end"]


@pytest.mark.parametrize("later", [True, False])
def test_a_transaction_without_anything_due_wakes_nobody(database: Database, later: bool) -> None:
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {WAKE_CHANNEL}".encode())
        with database.transaction() as db:
            if later:
                asked(db, after=LATER)
            else:
                db.execute(update(Command).values(error=None))

        listener.execute(f"NOTIFY {WAKE_CHANNEL}, 'end'".encode())
        heard = [notice.payload for notice in listener.notifies(timeout=10, stop_after=1)]

    assert heard == ["end"]


def test_commits_in_a_storm_wake_the_relay_after_the_last_of_them(database: Database) -> None:
    with psycopg.connect(database.url, autocommit=True) as listener:
        listener.execute(f"LISTEN {WAKE_CHANNEL}".encode())
        for number in range(20):
            with database.transaction() as db:
                asked(db, payload={"n": number})
        database.close()  # waits for the ring that is due

        listener.execute(f"NOTIFY {WAKE_CHANNEL}, 'end'".encode())
        heard = [notice.payload for notice in listener.notifies(timeout=0.5)]

    assert heard[-1] == "end"
    assert 2 <= len(heard) - 1 < 20


def test_in_a_storm_commits_hold_no_lock_of_the_cluster(database: Database) -> None:
    alone: list[bool] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def note(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("NOTIFY"):
            alone.append(connection.connection.driver_connection.autocommit)  # type: ignore[union-attr]

    for number in range(20):
        with database.transaction() as db:
            asked(db, payload={"n": number})
    database.close()

    assert alone.count(False) < 20
    assert alone[-1]
