"""Tests of a sweep that finds more than one transaction should handle."""

from datetime import timedelta

from sqlalchemy import func, select, update

from certline.models import (
    Account,
    AccountStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
    Outbox,
    Schedule,
)
from certline.models.database.session import clock
from certline.producers.sweep import LOST_AFTER, sweep
from tests.integration.producers.sweeping import IDLE, SETTLE, age, asked
from tests.support.factories import an_account, an_order


def swept(database: Database, most: int) -> dict[str, int]:
    """Sweep with at most `most` rows of a kind; the schedule was due, and is due again in an hour."""
    with database.transaction() as db:
        db.execute(update(Schedule).values(next_due=clock(db, timedelta(hours=1))))
        return sweep(db, SETTLE, most)


def is_due(database: Database) -> bool:
    with database.transaction() as db:
        due = select(func.count()).where(Schedule.name == "sweep", Schedule.next_due <= func.now())
        return db.scalar(due) == 1


def test_a_sweep_follows_up_a_few_orders_and_is_due_again_while_there_are_more(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for status in (OrderStatus.PENDING, OrderStatus.ISSUED):
            for _ in range(4):
                an_order(db, account, status=status)

    found = [(swept(database, 3)["followed"], is_due(database)) for _ in range(4)]

    assert found == [(3, True), (3, True), (2, False), (0, False)]
    with database.transaction() as db:
        steps = select(Command.type, func.count()).group_by(Command.type)
        emitted = {row[0]: row[1] for row in db.execute(steps)}
        assert emitted == {CommandType.POLL: 4, CommandType.FETCH: 4}
        assert len(db.scalars(select(Outbox.id)).all()) == 8


def test_a_sweep_looks_up_a_few_orders_and_wakes_a_few_commands(database: Database) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for _ in range(3):
            an_order(db, account, status=OrderStatus.SENDING, sent_at=clock(db, -2 * SETTLE))
            age(db, asked(db), 2 * LOST_AFTER)

    first, second, third = (swept(database, 2) for _ in range(3))

    assert first == IDLE | {"unknown": 2, "woken": 2}
    assert second == IDLE | {"unknown": 1, "woken": 1}
    assert third == IDLE


def test_an_interrupted_removal_of_an_account_is_completed_by_the_sweep(
    database: Database,
) -> None:
    with database.transaction() as db:
        account = an_account(db, status=AccountStatus.REMOVED, secret_sealed=None)
        ids = [an_order(db, account, status=OrderStatus.PLACED).id for _ in range(2)]
        ids.append(an_order(db, account, status=OrderStatus.PENDING).id)
        other = an_order(db, an_account(db, name="other", id=77), status=OrderStatus.PLACED).id

    assert [swept(database, 2)["settled"] for _ in range(3)] == [2, 1, 0]

    with database.transaction() as db:
        stand = [db.get_one(Order, own_id).status for own_id in (*ids, other)]
        assert stand == ["cancelled", "cancelled", "review", "placed"]
        assert db.scalars(select(Account.status).where(Account.id == account.id)).one() == "removed"
        assert not db.scalars(select(Command).where(Command.status == CommandStatus.RUNNING)).all()
