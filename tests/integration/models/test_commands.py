"""Tests that an accepted command is one row, however often and by how many it is requested."""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from certline.models import Base, Command, CommandStatus, CommandType, Database, Outbox
from certline.models.audit.identity import Identity
from certline.models.commands.command import (
    OtherCommandError,
    accept,
    claim,
    finish,
    hasten,
    postpone,
)
from certline.models.database.session import WAKE_CHANNEL, clock
from certline.models.events.outbox import emit_event
from tests.support.documented_events import some

T = TypeVar("T")

LATER = timedelta(hours=1)


def asked(db: Session, kind: CommandType = CommandType.SYNC, **named: Any) -> tuple[Command, bool]:
    """Accept a command."""
    usual = {"payload": {"account": "main"}, "requested_by": Identity("os:ida"), "source": "cli"}
    return accept(db, kind, **{**usual, **named})


def a_command(database: Database, **named: Any) -> str:
    """Accept a command. Returns its id."""
    with database.transaction() as db:
        return asked(db, **named)[0].id


def claimed(database: Database, command_id: str) -> Command | None:
    """Claim a command in its own transaction."""
    return database.run(lambda db: claim(db, command_id))


def count(database: Database, table: type[Base]) -> int:
    """Return how many rows a table has."""
    with database.transaction() as db:
        return db.scalar(select(func.count()).select_from(table)) or 0


def at_once(threads: int, work: Callable[[int], T]) -> list[T]:
    """Run `work` in several threads that start at the same moment. Returns the result of each."""
    together = threading.Barrier(threads)

    def begin(number: int) -> T:
        together.wait(10)
        return work(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


def test_an_accepted_command_is_a_row_and_a_wake_up(database: Database) -> None:
    with database.transaction() as db:
        command, new = asked(db)

    with database.transaction() as db:
        row = db.scalars(select(Outbox)).one()
        assert new
        assert db.get_one(Command, command.id).status is CommandStatus.QUEUED
        assert row.body["kwargs"] == {"command_id": command.id}
        assert command.correlation_id == command.id


def test_a_command_that_is_taken_back_leaves_nothing(database: Database) -> None:
    def ask_and_fail(db: Session) -> None:
        asked(db)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(ask_and_fail)

    assert (count(database, Command), count(database, Outbox)) == (0, 0)


def test_the_same_id_again_answers_the_first(database: Database) -> None:
    identity = str(uuid.uuid4())
    first = a_command(database, command_id=identity)

    with database.transaction() as db:
        again, new = asked(db, command_id=identity)

    assert (again.id, new) == (first, False)
    assert (count(database, Command), count(database, Outbox)) == (1, 1)


def test_the_order_of_the_payloads_keys_does_not_matter(database: Database) -> None:
    identity = a_command(database, payload={"a": {"x": 1, "y": 2}, "b": 3})

    with database.transaction() as db:
        _, new = asked(db, command_id=identity, payload={"b": 3, "a": {"y": 2, "x": 1}})

    assert not new


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"payload": {"account": "other"}}, "another payload"),
        ({"kind": CommandType.POLL}, "another type"),
    ],
)
def test_the_same_id_for_something_else_is_refused(
    database: Database, named: dict[str, Any], says: str
) -> None:
    identity = a_command(database)

    with pytest.raises(OtherCommandError, match=says), database.transaction() as db:
        asked(db, command_id=identity, **named)

    assert count(database, Command) == 1


def test_ten_threads_with_one_id_make_one_command(database: Database) -> None:
    identity = str(uuid.uuid4())

    def ask(_number: int) -> bool:
        with database.transaction() as db:
            return asked(db, command_id=identity)[1]

    answers = at_once(10, ask)

    assert sorted(answers) == [False] * 9 + [True]
    assert (count(database, Command), count(database, Outbox)) == (1, 1)


@pytest.mark.parametrize("kind", [CommandType.POLL, CommandType.FETCH])
def test_one_order_has_one_open_step_of_a_kind(database: Database, kind: CommandType) -> None:
    def ask(number: int) -> str:
        return a_command(database, kind=kind, subject="01J", payload={"n": number})

    assert len(set(at_once(10, ask))) == 1
    assert (count(database, Command), count(database, Outbox)) == (1, 1)


def test_another_order_or_an_ended_step_does_not_count_as_open(database: Database) -> None:
    first = a_command(database, kind=CommandType.POLL, subject="01J")
    other = a_command(database, kind=CommandType.POLL, subject="01K")
    with database.transaction() as db:
        finish(db, db.get_one(Command, first), CommandStatus.DONE)

    second = a_command(database, kind=CommandType.POLL, subject="01J")

    assert len({first, other, second}) == 3


def test_a_due_command_is_claimed(database: Database) -> None:
    command = claimed(database, a_command(database))

    assert command is not None
    assert (command.status, command.attempts, command.restarts) == (CommandStatus.RUNNING, 1, 0)
    assert command.started_at is not None


def test_a_command_that_is_not_due_is_left_alone(database: Database) -> None:
    assert claimed(database, a_command(database, after=LATER)) is None


@pytest.mark.parametrize(
    "status",
    [CommandStatus.DONE, CommandStatus.FAILED, CommandStatus.HELD, CommandStatus.REVIEW],
)
def test_a_command_that_does_not_wait_for_a_worker_is_left_alone(
    database: Database, status: CommandStatus
) -> None:
    command_id = a_command(database)
    with database.transaction() as db:
        finish(db, db.get_one(Command, command_id), status)

    assert claimed(database, command_id) is None


def test_a_command_that_was_never_accepted_is_left_alone(database: Database) -> None:
    assert claimed(database, str(uuid.uuid4())) is None


def test_a_redelivery_starts_it_again_and_is_counted(database: Database) -> None:
    command_id = a_command(database)

    runs = [claimed(database, command_id) for _ in range(3)]

    assert [run and run.restarts for run in runs] == [0, 1, 2]
    assert [run and run.attempts for run in runs] == [1, 2, 3]


def test_a_command_that_came_to_an_end_counts_its_restarts_anew(database: Database) -> None:
    command_id = a_command(database)
    claimed(database, command_id)
    claimed(database, command_id)
    with database.transaction() as db:
        row = db.get_one(Command, command_id)
        postpone(db, row, after=timedelta(0), why="busy", costs_attempt=True)

    again = claimed(database, command_id)

    assert again is not None
    assert (again.restarts, again.attempts) == (0, 3)


def test_ten_workers_with_one_message_count_ten_starts(database: Database) -> None:
    command_id = a_command(database)

    at_once(10, lambda _: claimed(database, command_id))

    with database.transaction() as db:
        row = db.get_one(Command, command_id)
        assert (row.attempts, row.restarts) == (10, 9)


@pytest.mark.parametrize(("costs", "attempts"), [(True, 1), (False, 0)])
def test_a_postponed_command_waits_with_a_message_of_its_own(
    database: Database, costs: bool, attempts: int
) -> None:
    command_id = a_command(database)
    claimed(database, command_id)

    with database.transaction() as db:
        now = clock(db)
        row = db.get_one(Command, command_id)
        postpone(db, row, after=LATER, why="SCM is busy", costs_attempt=costs)

    assert claimed(database, command_id) is None
    with database.transaction() as db:
        row = db.get_one(Command, command_id)
        assert (row.status, row.error, row.attempts) == ("queued", "SCM is busy", attempts)
        assert row.not_before == now + LATER
        message = db.scalars(select(Outbox).order_by(Outbox.id.desc())).first()
        assert message is not None
        assert message.not_before == row.not_before


def test_a_hastened_command_is_due_now(database: Database) -> None:
    command_id = a_command(database, after=LATER)

    with database.transaction() as db:
        hasten(db, db.get_one(Command, command_id))

    assert claimed(database, command_id) is not None
    with database.transaction() as db:
        due = select(func.count()).where(Outbox.not_before <= func.now())
        assert db.scalar(due) == 1


def test_a_parked_command_has_not_ended(database: Database) -> None:
    command_id = a_command(database)
    with database.transaction() as db:
        finish(db, db.get_one(Command, command_id), CommandStatus.HELD, result={"order": "01J"})
        held = db.get_one(Command, command_id)

    assert (held.finished_at, held.result) == (None, {"order": "01J"})

    with database.transaction() as db:
        finish(db, db.get_one(Command, command_id), CommandStatus.DONE)
        done = db.get_one(Command, command_id)

    assert done.finished_at is not None
    assert done.result == {"order": "01J"}


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
