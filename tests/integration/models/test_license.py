"""Tests of the licence: it is never exceeded, and the order that waited longest goes first."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models import (
    AuditEntry,
    Certificate,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Line,
    Order,
    OrderKind,
    OrderStatus,
    Outbox,
)
from certline.models.audit.identity import Identity
from certline.models.certificates.license import (
    license_use,
    orders_to_release,
    set_capacity,
    take_line,
)
from certline.models.certificates.license_forecast import outlook
from certline.models.commands.command import accept
from certline.models.database.session import clock
from certline.models.lifecycle.moves import move, release_held
from tests.support.factories import NOON, a_certificate, a_line, an_account, an_order


def issued(db: Session, **named: Any) -> Order:
    """Insert an order whose certificate is to be fetched."""
    return an_order(db, status=OrderStatus.ISSUED, **named)


def held(db: Session, minutes: int) -> str:
    """Insert an order held for a line since that minute. Returns its id."""
    since = NOON + timedelta(minutes=minutes)
    return an_order(db, status=OrderStatus.HELD, issued_at=since).id


def test_twenty_workers_with_room_for_five_take_five(database: Database) -> None:
    with database.transaction() as db:
        set_capacity(db, 7)
        account = an_account(db)
        for _ in range(2):
            a_line(db, account)
        orders = [issued(db, account=account).id for _ in range(20)]
    together = threading.Barrier(20)

    def fetch(order_id: str) -> bool:
        together.wait(10)
        with database.transaction() as db:
            return take_line(db, db.get_one(Order, order_id))

    with ThreadPoolExecutor(20) as pool:
        taken = list(pool.map(fetch, orders))

    assert taken.count(True) == 5
    with database.transaction() as db:
        use = license_use(db)
        assert (use.capacity, use.used, use.available) == (7, 7, 0)


def test_an_order_that_has_its_line_takes_no_other(database: Database) -> None:
    with database.transaction() as db:
        order = issued(db)
        assert take_line(db, order)
        set_capacity(db, 0)

        assert take_line(db, order)
        assert license_use(db).used == 1


def test_a_deleted_line_does_not_count(database: Database) -> None:
    with database.transaction() as db:
        set_capacity(db, 1)
        a_line(db, an_account(db), deleted_at=NOON)

        assert take_line(db, issued(db))
        assert not take_line(db, issued(db))


def test_a_line_counts_once_whatever_its_versions(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.STORED)
        order.line_id = a_line(db, order.account).id
        a_certificate(db, order)
        a_certificate(db, order)

        assert license_use(db).used == 1


def test_lowering_the_capacity_deletes_nothing(database: Database) -> None:
    with database.transaction() as db:
        order = an_order(db, status=OrderStatus.STORED)
        order.line_id = a_line(db, order.account).id
        a_certificate(db, order)

        set_capacity(db, 0)

        use = license_use(db)
        assert (use.capacity, use.used, use.available) == (0, 1, 0)
        assert db.scalar(select(func.count()).select_from(Certificate)) == 1
        assert db.scalar(select(func.count()).select_from(Line)) == 1


def test_those_who_waited_longest_are_released_first(database: Database) -> None:
    with database.transaction() as db:
        third, first, second = held(db, 30), held(db, 10), held(db, 20)
        set_capacity(db, 2)

        released = release_held(db, why="capacity")

        assert [order.id for order in released] == [first, second]
        assert db.get_one(Order, third).status is OrderStatus.HELD
        assert license_use(db).used == 2


def test_a_newcomer_does_not_take_the_place_of_a_released_order(database: Database) -> None:
    with database.transaction() as db:
        waiting = held(db, 10)
        set_capacity(db, 1)
        release_held(db, why="capacity")

    with database.transaction() as db:
        assert not take_line(db, issued(db))
        assert take_line(db, db.get_one(Order, waiting))


def test_a_newcomer_does_not_take_the_room_that_a_deleted_line_has_left(database: Database) -> None:
    with database.transaction() as db:
        line = a_line(db, an_account(db))
        waiting = held(db, 10)
        set_capacity(db, 1)
        line.deleted_at = clock(db)

    with database.transaction() as db:
        assert not take_line(db, issued(db))
        assert [order.id for order in release_held(db, why="sweep")] == [waiting]


def test_a_released_order_goes_on_to_be_fetched_and_others_hear_of_it(database: Database) -> None:
    with database.transaction() as db:
        waiting = held(db, 10)
        release_held(db, why="capacity set to 1000")

    with database.transaction() as db:
        order = db.get_one(Order, waiting)
        fetch = db.scalars(select(Command).where(Command.type == CommandType.FETCH)).one()
        told = db.scalars(select(Outbox.body).where(Outbox.routing_key == "license.released")).one()
        assert order.status is OrderStatus.ISSUED
        assert fetch.subject == waiting
        assert told["data"] == {"orders": [waiting], "reason": "capacity set to 1000"}


def test_without_room_nothing_is_released_and_nothing_is_told(database: Database) -> None:
    with database.transaction() as db:
        held(db, 10)
        set_capacity(db, 0)

        assert release_held(db, why="sweep") == []
        assert db.scalar(select(func.count()).select_from(Outbox)) == 0


def test_two_releases_at_once_release_each_order_once(database: Database) -> None:
    with database.transaction() as db:
        waiting = [held(db, minutes) for minutes in range(6)]
        set_capacity(db, 4)
    together = threading.Barrier(2)

    def release(_number: int) -> list[str]:
        together.wait(10)
        with database.transaction() as db:
            return [order.id for order in release_held(db, why="sweep")]

    with ThreadPoolExecutor(2) as pool:
        released = sorted(pool.map(release, range(2)), key=len)

    assert released == [[], waiting[:4]]


def test_a_move_is_told_to_the_log_to_others_and_to_its_command(database: Database) -> None:
    with database.transaction() as db:
        payload = {"common_name": "shop.nordhafen.example"}
        command, _ = accept(
            db, CommandType.ORDER, payload, requested_by=Identity("os:ida"), source="cli"
        )
        order = issued(db, command_id=command.id)

        move(db, order, OrderStatus.HELD, why="no licence is left")

        logged = db.scalars(select(AuditEntry)).one()
        told = db.scalars(select(Outbox.body).where(Outbox.routing_key == "order.held")).one()
        assert (logged.type, logged.why) == ("order.held", "no licence is left")
        assert logged.data == {"before": "issued", "scm_id": order.scm_id}
        assert told["data"]["reason"] == "no licence is left"
        assert told["correlationid"] == command.id
        assert command.status is CommandStatus.HELD
        assert order.updated_at == clock(db)


def test_release_with_room_for_none_takes_no_lock_on_orders(database: Database) -> None:
    with database.transaction() as db:
        set_capacity(db, 0)
        held(db, 10)

        assert orders_to_release(db) == []


@pytest.mark.parametrize("capacity", [0, 1, 5])
def test_what_is_available_is_never_less_than_nothing(database: Database, capacity: int) -> None:
    with database.transaction() as db:
        account = an_account(db)
        for _ in range(3):
            a_line(db, account)
        set_capacity(db, capacity)

        assert license_use(db).available == max(0, capacity - 3)


def test_the_outlook_counts_what_will_want_a_line_and_the_new_orders_of_30_days(
    database: Database,
) -> None:
    with database.transaction() as db:
        set_capacity(db, 100)
        now = clock(db)
        account = an_account(db)
        for status in ("placed", "sending", "pending", "issued"):
            an_order(db, account, status=status)
        successor = an_order(db, account, status="pending")
        successor.line_id = a_line(db, account).id  # a renewal has its line
        an_order(db, account, status="review")
        an_order(db, account, status="held")
        stored = [an_order(db, account, status="stored") for _ in range(23)]
        stored[0].created_at = now - timedelta(days=300)
        stored[1].created_at = now - timedelta(days=29)
        stored[2].kind = OrderKind.IMPORT
        stored[3].predecessor_id = a_certificate(db, stored[4]).id  # renewed by a new order
        an_order(db, account, status="rejected")
        an_order(db, account, status="cancelled")

        ahead = outlook(db)

    # 4 in flight, the successor, in review, held, and 20 of those stored.
    assert ahead.in_flight == 4
    assert ahead.per_day == pytest.approx(27 / 30)
    assert ahead.use.used == 2
    assert ahead.runs_out_at == now + timedelta(days=(98 - 1 - 4) / ahead.per_day)
