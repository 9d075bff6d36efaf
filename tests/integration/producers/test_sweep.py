"""Tests of the sweep: it emits the step that an order lacks, and deletes expired rows."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from certline.models import (
    Certificate,
    CertificateStatus,
    Command,
    CommandStatus,
    CommandType,
    Database,
    Order,
    OrderStatus,
)
from certline.models.certificates.license import set_capacity
from certline.models.commands.command import finish
from certline.models.database.session import clock
from tests.integration.producers.sweeping import IDLE, SETTLE, asked, swept, to_send
from tests.support.factories import NOON, a_certificate, an_order


def test_a_line_where_all_moves_is_left_alone(database: Database) -> None:
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
