"""Tests that an accepted command is one row, however often and by how many it is requested."""

import uuid
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Database, Outbox
from certline.models.commands.command import OtherCommandError, finish
from tests.integration.models.commands.accepted import a_command, asked, at_once, count


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
