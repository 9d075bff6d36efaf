"""What should have moved and has not is sent on its way again, and nothing else."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
    Outbox,
)
from models.command import accept, claim, finish
from models.license import set_capacity
from models.session import clock
from producers.sweep import DEAD_AFTER, KEEP_SENT, LOST_AFTER, forget_sent, sweep
from tests.factories import NOON, a_certificate, an_order

MOMENT = timedelta(seconds=30)
SETTLE = timedelta(minutes=15)
IDLE = dict.fromkeys(
    ("woken", "followed", "unknown", "released", "expiring", "expired", "forgotten"), 0
)


def asked(db: Session, kind: CommandType = CommandType.SYNC, **named: Any) -> Command:
    """A command whose message has gone out."""
    usual = {"payload": {}, "requested_by": "ida", "source": "cli"}
    command, _ = accept(db, kind, **{**usual, **named})
    db.flush()
    db.execute(update(Outbox).values(sent_at=func.now()))
    return command


def age(db: Session, command: Command, by: timedelta) -> None:
    """Nothing has touched the command for that long."""
    then = clock(db, -by)
    command.not_before = command.touched_at = then
    db.flush()


def swept(database: Database) -> dict[str, int]:
    """What a sweep did."""
    return database.run(partial(sweep, settle=SETTLE))


def to_send(database: Database) -> list[str]:
    """The commands that the relay is going to wake."""
    with database.transaction() as db:
        rows = db.scalars(select(Outbox).where(Outbox.sent_at.is_(None)))
        return [row.body["kwargs"]["command_id"] for row in rows if not row.exchange]


def test_a_line_where_all_moves_is_left_alone(database: Database) -> None:
    assert swept(database) == IDLE


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


@pytest.mark.parametrize(
    ("status", "step"),
    [(OrderStatus.PENDING, CommandType.POLL), (OrderStatus.ISSUED, CommandType.FETCH)],
)
def test_an_order_that_nobody_asks_for_gets_its_next_step(
    database: Database, status: OrderStatus, step: CommandType
) -> None:
    with database.transaction() as db:
        order = an_order(db, status=status)
        asked(db, CommandType.POLL, subject="another")

    assert swept(database) == IDLE | {"followed": 1}

    with database.transaction() as db:
        command = db.scalars(select(Command).where(Command.subject == order.id)).one()
        assert (command.type, command.payload) == (step, {"order": order.id})
    assert to_send(database) == [command.id]
    assert swept(database) == IDLE


@pytest.mark.parametrize("later", [timedelta(0), timedelta(hours=1)])
def test_an_order_whose_step_is_on_its_way_gets_no_other(
    database: Database, later: timedelta
) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.PENDING)
        asked(db, CommandType.POLL, subject=order.id, after=later)

    assert swept(database) == IDLE


@pytest.mark.parametrize(
    ("status", "step"),
    [(OrderStatus.PENDING, CommandType.POLL), (OrderStatus.ISSUED, CommandType.FETCH)],
)
def test_an_order_whose_step_is_in_review_gets_no_other_that_would_kill_its_workers_too(
    database: Database, status: OrderStatus, step: CommandType
) -> None:
    with database.transaction() as db:
        order = an_order(db, status=status)
        poison = asked(db, step, subject=order.id)
        finish(db, poison, CommandStatus.REVIEW, error="started 10 times")

    assert swept(database) == IDLE


@pytest.mark.parametrize(
    "status", sorted(set(OrderStatus) - {OrderStatus.PENDING, OrderStatus.ISSUED})
)
def test_an_order_that_waits_for_something_else_is_left_alone(
    database: Database, status: OrderStatus
) -> None:
    with database.transaction() as db:
        set_capacity(db, 0)
        order = an_order(db, status=status)
        order.updated_at = clock(db, -timedelta(days=2))

    assert swept(database) == IDLE


def test_a_held_order_with_room_is_released(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.HELD, issued_at=NOON)

    assert swept(database) == IDLE | {"released": 1}

    with database.transaction() as db:
        assert db.get_one(Order, order.id).status is OrderStatus.ISSUED


def test_an_order_whose_worker_died_while_it_sent_is_looked_up_once(database: Database) -> None:
    with database.transaction() as db:
        silent = an_order(db, status=OrderStatus.SENDING, sent_at=clock(db, -SETTLE))
        at_work = an_order(db, status=OrderStatus.SENDING, sent_at=clock(db))

    counts = [swept(database)["unknown"] for _ in range(2)]

    with database.transaction() as db:
        assert counts == [1, 0]
        assert "the outcome is unknown" in (db.get_one(Order, silent.id).error or "")
        assert db.get_one(Order, silent.id).status is OrderStatus.SENDING
        assert db.get_one(Order, at_work.id).error is None
        lookups = db.scalars(select(Command).where(Command.type == CommandType.RECONCILE))
        assert [lookup.subject for lookup in lookups] == [silent.id]


def test_a_certificate_whose_time_is_over_is_marked(database: Database) -> None:
    with database.transaction() as db:
        now, day = clock(db), timedelta(days=1)
        over = a_certificate(db, not_before=now - 9 * day, not_after=now - day)
        good = a_certificate(db, not_before=now - 9 * day, not_after=now + day)
        revoked = a_certificate(
            db,
            not_before=now - 9 * day,
            not_after=now - day,
            status=CertificateStatus.REVOKED,
            revoked_at=now - 2 * day,
        )

    assert swept(database) == IDLE | {"expiring": 2, "expired": 1}

    with database.transaction() as db:
        ids = (over.id, good.id, revoked.id)
        states = [db.get_one(Certificate, certificate).status for certificate in ids]
        assert states == ["expired", "active", "revoked"]


def test_rows_that_were_sent_a_week_ago_are_forgotten_and_others_kept(database: Database) -> None:
    with database.transaction() as db:
        for _ in range(4):
            asked(db)
        old, young, parked, unsent = db.scalars(select(Outbox).order_by(Outbox.id))
        old.sent_at = clock(db, -KEEP_SENT - MOMENT)
        young.sent_at = clock(db, -KEEP_SENT + MOMENT)
        parked.sent_at, parked.parked_at = None, clock(db, -2 * KEEP_SENT)
        unsent.sent_at, unsent.not_before = None, clock(db, -2 * KEEP_SENT)

    assert database.run(forget_sent) == 1

    with database.transaction() as db:
        kept = set(db.scalars(select(Outbox.id)))
        assert kept == {young.id, parked.id, unsent.id}
