"""Tests that the sweep wakes a command whose message or worker was lost, and no other."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from certline.models import CommandStatus, CommandType, Database, OrderStatus, Outbox
from certline.models.commands.command import claim, finish
from certline.models.database.session import clock
from certline.producers.sweep import DEAD_AFTER, LOST_AFTER
from tests.factories import an_order
from tests.integration.producers.sweeping import IDLE, MOMENT, age, asked, swept, to_send


def test_a_queued_command_whose_message_was_lost_is_woken(database: Database) -> None:
    with database.transaction() as db:
        command = asked(db)
        age(db, command, LOST_AFTER + MOMENT)

    assert swept(database) == IDLE | {"woken": 1}

    assert to_send(database) == [command.id]
    assert database.run(lambda db: claim(db, command.id)) is not None


def test_a_command_in_a_long_queue_is_not_woken_every_few_minutes(database: Database) -> None:
    with database.transaction() as db:
        age(db, asked(db), timedelta(minutes=10))

    assert swept(database) == IDLE


def test_a_woken_command_gets_its_time_before_it_is_woken_again(database: Database) -> None:
    with database.transaction() as db:
        age(db, asked(db), LOST_AFTER + MOMENT)

    assert [swept(database)["woken"], swept(database)["woken"]] == [1, 0]


def test_a_command_that_was_just_asked_for_is_not_woken(database: Database) -> None:
    with database.transaction() as db:
        age(db, asked(db), LOST_AFTER - MOMENT)

    assert swept(database) == IDLE


def test_a_command_that_is_not_due_is_not_woken(database: Database) -> None:
    with database.transaction() as db:
        command = asked(db, after=timedelta(hours=1))
        command.touched_at = clock(db, -timedelta(days=1))

    assert swept(database) == IDLE


def test_where_the_relay_is_behind_nothing_is_lost_yet(database: Database) -> None:
    with database.transaction() as db:
        age(db, asked(db), LOST_AFTER + MOMENT)
        db.execute(update(Outbox).values(sent_at=None, not_before=clock(db, -LOST_AFTER - MOMENT)))

    assert swept(database) == IDLE


@pytest.mark.parametrize("mark", ["parked_at", "sent_at"])
def test_rows_that_wait_for_nothing_do_not_count_as_behind(database: Database, mark: str) -> None:
    with database.transaction() as db:
        age(db, asked(db), LOST_AFTER + MOMENT)
        old = clock(db, -timedelta(hours=1))
        db.execute(update(Outbox).values({"sent_at": None, "not_before": old} | {mark: old}))

    assert swept(database)["woken"] == 1


@pytest.mark.parametrize("kind", CommandType)
def test_a_running_command_whose_worker_died_is_woken(
    database: Database, kind: CommandType
) -> None:
    with database.transaction() as db:
        command = asked(db, kind, subject="01J")
        claim(db, command.id)
        age(db, command, DEAD_AFTER + MOMENT)

    assert swept(database) == IDLE | {"woken": 1}


def test_a_running_command_with_a_sign_of_life_is_not_woken(database: Database) -> None:
    with database.transaction() as db:
        command = asked(db)
        claim(db, command.id)
        age(db, command, DEAD_AFTER - MOMENT)

    assert swept(database) == IDLE


@pytest.mark.parametrize(
    ("status", "woken"),
    [
        (OrderStatus.PLACED, 1),
        (OrderStatus.SENDING, 0),
        (OrderStatus.PENDING, 0),
        (OrderStatus.ISSUED, 0),
    ],
)
@pytest.mark.parametrize("kind", [CommandType.ORDER, CommandType.RENEW, CommandType.REISSUE])
def test_only_an_order_that_was_never_sent_is_woken(
    database: Database, kind: CommandType, status: OrderStatus, woken: int
) -> None:
    with database.transaction() as db:
        command = asked(db, kind)
        an_order(db, status=status, command_id=command.id)
        claim(db, command.id)
        age(db, command, timedelta(days=2))

    assert swept(database)["woken"] == woken


@pytest.mark.parametrize(
    "status",
    [CommandStatus.DONE, CommandStatus.FAILED, CommandStatus.HELD, CommandStatus.REVIEW],
)
def test_a_command_that_waits_for_no_worker_is_not_woken(
    database: Database, status: CommandStatus
) -> None:
    with database.transaction() as db:
        command = asked(db)
        finish(db, command, status)
        age(db, command, timedelta(days=2))

    assert swept(database) == IDLE
