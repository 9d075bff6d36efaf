"""Tests of the licence gate under load: fetches in two processes with four threads each never exceed it."""

import random
from collections import Counter

import pytest
from sqlalchemy import select

from certline.models import Command, CommandStatus, CommandType, Line, Order, OrderStatus
from certline.models.audit.identity import Identity
from certline.models.certificates.license import set_capacity
from certline.models.database.session import clock
from certline.producers.requests.license import set_license
from certline.producers.requests.orders import request_polls
from certline.producers.sweep import sweep
from tests.integration.workers.conftest import Bench
from tests.support.step_process import begin, stepping

FETCHES, UNITS, RAISED = 50, 10, 30
QUEUED = CommandStatus.QUEUED


def issued_orders(bench: Bench, count: int) -> list[str]:
    """Place `count` orders that SCM has issued. Returns the ids of the polls that collect their certificates."""
    for number in range(count):
        bench.run(bench.place(common_name=f"host{number}.nordhafen.example").id)
    with bench.database.transaction() as db:
        orders = list(db.scalars(select(Order.id)))
    # A poll that a user requests leaves the certificate to the order's own.
    for asked in request_polls(bench.database, orders, requested_by=Identity("os:ida")):
        bench.run(asked.id)
    bench.make_due()
    with bench.database.transaction() as db:
        own = select(Command.id).where(Command.type == CommandType.POLL, Command.status == QUEUED)
        return list(db.scalars(own))


def fetch_by_two_processes(bench: Bench, fetches: list[str]) -> None:
    """Deliver each fetch to both processes, in another order to each."""
    chance = random.Random(5)  # noqa: S311  # the same order in each run
    orders = [chance.sample(fetches, len(fetches)) for _ in range(2)]
    url, key, kind = bench.database.url, bench.secret_key, CommandType.POLL
    with (
        stepping(url, key, kind, orders[0], threads=4) as one,
        stepping(url, key, kind, orders[1], threads=4) as other,
    ):
        begin(one)
        begin(other)
        assert (one.wait(120), other.wait(120)) == (0, 0)


def fetch_all(bench: Bench) -> None:
    """Deliver due messages until there are none."""
    while bench.run_due():
        pass


def standing(bench: Bench) -> Counter[OrderStatus]:
    """Count the orders by status."""
    with bench.database.transaction() as db:
        return Counter(db.scalars(select(Order.status)))


def held(bench: Bench) -> list[str]:
    """Return the held orders, the longest waiting first."""
    with bench.database.transaction() as db:
        query = select(Order.id).where(Order.status == OrderStatus.HELD)
        return list(db.scalars(query.order_by(Order.issued_at, Order.id)))


@pytest.mark.slow
def test_of_fifty_fetches_at_once_ten_are_stored_and_forty_held(bench: Bench) -> None:
    fetches = issued_orders(bench, FETCHES)
    with bench.database.transaction() as db:
        set_capacity(db, UNITS)

    fetch_by_two_processes(bench, fetches)
    assert standing(bench) == {
        OrderStatus.STORED: UNITS,
        OrderStatus.HELD: FETCHES - UNITS,
    }

    waiting = held(bench)
    use, released = set_license(bench.database, RAISED, requested_by=Identity("os:ida"))
    assert (use.used, use.held, released) == (RAISED, FETCHES - RAISED, RAISED - UNITS)
    assert held(bench) == waiting[RAISED - UNITS :]  # those who came first have gone on
    fetch_all(bench)
    assert standing(bench) == {OrderStatus.STORED: RAISED, OrderStatus.HELD: FETCHES - RAISED}

    waiting = held(bench)
    with bench.database.transaction() as db:
        db.scalars(select(Line)).first().deleted_at = clock(db)  # type: ignore[union-attr]
    with bench.database.transaction() as db:
        assert sweep(db, bench.line.settings.settle)["released"] == 1
    assert held(bench) == waiting[1:]
    fetch_all(bench)
    assert standing(bench)[OrderStatus.STORED] == RAISED + 1
    with bench.database.transaction() as db:
        managed = db.scalars(select(Line).where(Line.deleted_at.is_(None)))
        assert len(managed.all()) == RAISED
