"""Tests that a command is claimed when it is due, and what its end or delay leaves in its row."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from certline.models import Command, CommandStatus, Database, Outbox
from certline.models.commands.command import finish, hasten, postpone
from certline.models.database.session import clock
from tests.integration.models.commands.accepted import LATER, a_command, at_once, claimed


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
