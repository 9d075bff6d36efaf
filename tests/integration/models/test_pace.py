"""Tests of the rate limit: exact for all workers together, in the order of requests."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from certline.models import CallKind, Database, RateLimit
from certline.models.accounts.rate_limit import NONE, Turn, held_off, hold_off, take
from tests.factories import an_account

THREADS = 16
# One call in 100 s: a test, however slow, is over before the next call is due.
SLOW = 0.01
A_DAY = timedelta(days=1)


@pytest.fixture
def account_id(database: Database) -> int:
    with database.transaction() as db:
        return an_account(db).id


def ask(
    database: Database,
    account_id: int,
    kind: CallKind = CallKind.READ,
    *,
    per_second: float = SLOW,
    burst: int = 5,
    patience: timedelta = NONE,
    places: int = 1,
) -> Turn:
    with database.transaction() as db:
        return take(
            db,
            account_id,
            kind,
            per_second=per_second,
            burst=burst,
            patience=patience,
            places=places,
        )


def pass_time(database: Database, seconds: float) -> None:
    """Move the rows back in time instead of waiting."""
    with database.transaction() as db:
        past = timedelta(seconds=seconds)
        db.execute(
            update(RateLimit).values(
                next_at=RateLimit.next_at - past, held_until=RateLimit.held_until - past
            )
        )


def test_sixteen_threads_get_a_burst_and_then_exactly_the_rate(
    database: Database, account_id: int
) -> None:
    together = threading.Barrier(THREADS)

    def admitted(_: int) -> int:
        together.wait(30)
        return sum(ask(database, account_id).taken for _ in range(10))

    with ThreadPoolExecutor(THREADS) as pool:
        at_once = sum(pool.map(admitted, range(THREADS)))
        pass_time(database, 300)
        after_300_seconds = sum(pool.map(admitted, range(THREADS)))

    assert at_once == 5
    assert after_300_seconds == 3


def test_places_that_are_taken_ahead_are_one_interval_apart(
    database: Database, account_id: int
) -> None:
    def places(_: int) -> list[Turn]:
        return [ask(database, account_id, patience=A_DAY) for _ in range(10)]

    with database.transaction() as db:
        before = db.scalars(select(func.clock_timestamp())).one()
    with ThreadPoolExecutor(THREADS) as pool:
        turns = [turn for many in pool.map(places, range(THREADS)) for turn in many]
    with database.transaction() as db:
        next_at = db.scalars(select(RateLimit.next_at)).one()
        after = db.scalars(select(func.clock_timestamp())).one()

    assert all(turn.taken for turn in turns)
    assert sum(not turn.wait for turn in turns) == 5
    assert before <= next_at - len(turns) * timedelta(seconds=100) <= after


def test_places_that_are_taken_together_are_those_that_were_taken_one_by_one(
    database: Database, account_id: int
) -> None:
    together = ask(database, account_id, burst=5, places=8)
    refused = ask(database, account_id, burst=5)

    assert together.wait == NONE
    assert together.further[:4] == (NONE,) * 4
    later = [round(wait.total_seconds(), -1) for wait in together.further[4:]]
    assert later == [100, 200, 300]
    assert not refused.taken
    assert round(refused.wait.total_seconds(), -1) == 400


def test_no_more_than_rate_times_time_and_a_burst_get_through_in_real_time(
    database: Database, account_id: int
) -> None:
    stop = threading.Event()

    def admitted(_: int) -> int:
        count = 0
        while not stop.is_set():
            count += ask(database, account_id, per_second=50).taken
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        with database.transaction() as db:
            began = db.scalars(select(func.clock_timestamp())).one()
        running = [pool.submit(admitted, number) for number in range(THREADS)]
        stop.wait(1)
        stop.set()
        count = sum(thread.result(60) for thread in running)
    with database.transaction() as db:
        seconds = (db.scalars(select(func.clock_timestamp())).one() - began).total_seconds()

    assert 5 < count <= 50 * seconds + 5


def test_a_refused_call_takes_nothing_and_is_told_when_to_come(
    database: Database, account_id: int
) -> None:
    assert ask(database, account_id, burst=1).taken

    refused = [ask(database, account_id, burst=1) for _ in range(3)]
    pass_time(database, 100)

    assert not any(turn.taken for turn in refused)
    assert all(timedelta(seconds=40) < turn.wait <= timedelta(seconds=100) for turn in refused)
    assert ask(database, account_id, burst=1) == Turn(True, NONE)


def test_a_rest_is_not_saved_up_beyond_the_burst(database: Database, account_id: int) -> None:
    ask(database, account_id)
    pass_time(database, 1_000_000)

    assert sum(ask(database, account_id).taken for _ in range(20)) == 5


def test_orders_are_not_starved_by_reads_nor_one_account_by_another(
    database: Database, account_id: int
) -> None:
    with database.transaction() as db:
        other = an_account(db, name="other").id
    while ask(database, account_id).taken:
        pass

    assert ask(database, account_id, CallKind.ORDER).taken
    assert ask(database, other).taken


def test_a_poll_waits_behind_no_more_than_one_call_of_each_bulk_reader(
    database: Database, account_id: int
) -> None:
    """Each reader has at most one place in the queue, and the poll's place is right behind them."""
    readers, per_second = 6, 20.0
    stop = threading.Event()
    busy = threading.Barrier(readers + 1)

    def read_on(_: int) -> None:
        turns = 0
        while not stop.is_set():
            turn = ask(database, account_id, per_second=per_second, patience=timedelta(seconds=2))
            stop.wait(turn.wait.total_seconds())
            turns += 1
            if turns == 3:
                busy.wait(30)

    with ThreadPoolExecutor(readers) as pool:
        running = [pool.submit(read_on, number) for number in range(readers)]
        busy.wait(30)
        polls = [
            ask(database, account_id, per_second=per_second, patience=timedelta(seconds=2))
            for _ in range(3)
        ]
        stop.set()
        for thread in running:
            thread.result(30)

    for earlier_polls, poll in enumerate(polls):
        assert poll.taken
        assert poll.wait <= (readers + earlier_polls + 1) * timedelta(seconds=1 / per_second)


def test_after_a_429_nobody_calls_before_its_time_whatever_the_kind(
    database: Database, account_id: int
) -> None:
    with database.transaction() as db:
        hold_off(db, account_id, timedelta(seconds=1000))
    early = [ask(database, account_id, kind, patience=A_DAY) for kind in CallKind]
    pass_time(database, 1000)
    later = [ask(database, account_id, kind) for kind in CallKind]

    assert not any(turn.taken for turn in early)
    assert all(timedelta(seconds=900) < turn.wait <= timedelta(seconds=1000) for turn in early)
    assert later == [Turn(True, NONE)] * 2


def test_the_longest_of_several_429s_counts(database: Database, account_id: int) -> None:
    for seconds in (10, 1000, 20):
        with database.transaction() as db:
            hold_off(db, account_id, timedelta(seconds=seconds))

    with database.transaction() as db:
        left = held_off(db, account_id)

    assert timedelta(seconds=900) < left <= timedelta(seconds=1000)
