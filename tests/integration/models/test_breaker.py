"""Tests of the breaker: one row per SCM; it opens for all workers, and one probe at a time closes it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select, update

from certline.models import AuditEntry, Breaker, Database
from certline.models.accounts.access import access_of
from certline.models.accounts.breaker import (
    MOST_FAILURES,
    PROBE_LEASE,
    BreakerState,
    end_probe,
    failed,
    open_breakers,
    succeeded,
    take_probe,
)
from tests.support.factories import an_account

SCM = "https://scm.example/api"
WHY = "HTTP 503"


def fail(database: Database, times: int = 1, url: str = SCM) -> None:
    for _ in range(times):
        with database.transaction() as db:
            failed(db, url, WHY)


def now(database: Database, url: str = SCM) -> BreakerState:
    with database.transaction() as db:
        return access_of(db, an_account(db).id, url).breaker


def pass_time(database: Database, time: timedelta) -> None:
    with database.transaction() as db:
        db.execute(
            update(Breaker).values(
                open_until=Breaker.open_until - time, probing_until=Breaker.probing_until - time
            )
        )


def probes(database: Database, threads: int = 8) -> int:
    together = threading.Barrier(threads)

    def one(_: int) -> bool:
        together.wait(30)
        with database.transaction() as db:
            return take_probe(db, SCM)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(one, range(threads)))


def events(database: Database) -> list[str]:
    with database.transaction() as db:
        return list(
            db.scalars(
                select(AuditEntry.type).where(AuditEntry.subject == SCM).order_by(AuditEntry.id)
            )
        )


def test_it_opens_after_so_many_failures_in_a_row_and_only_for_this_scm(
    database: Database,
) -> None:
    fail(database, MOST_FAILURES - 1)
    before = now(database)
    fail(database)
    after = now(database)

    assert before.closed
    assert not after.closed
    assert timedelta(0) < after.wait <= timedelta(seconds=30)
    assert after.reason == WHY
    assert now(database, "https://another.example/api").closed


def test_one_answer_in_between_and_the_count_begins_anew(database: Database) -> None:
    for _ in range(3):
        fail(database, MOST_FAILURES - 1)
        with database.transaction() as db:
            assert not succeeded(db, SCM)

    assert now(database).closed
    assert events(database) == []


def test_half_open_it_lets_one_probe_pass_at_a_time(database: Database) -> None:
    fail(database, MOST_FAILURES)
    while_open = probes(database)
    pass_time(database, timedelta(seconds=30))
    first = probes(database)
    second = probes(database)
    pass_time(database, PROBE_LEASE)
    after_the_probes_death = probes(database)

    assert (now(database).closed, now(database).wait) == (False, timedelta(0))
    assert (while_open, first, second, after_the_probes_death) == (0, 1, 0, 1)


def test_a_probe_that_was_not_made_gives_its_place_back(database: Database) -> None:
    fail(database, MOST_FAILURES)
    pass_time(database, timedelta(seconds=30))
    with database.transaction() as db:
        assert take_probe(db, SCM)
        end_probe(db, SCM)

    assert probes(database) == 1


def test_a_probe_that_fails_opens_it_for_twice_as_long(database: Database) -> None:
    fail(database, MOST_FAILURES)
    pass_time(database, timedelta(seconds=30))
    assert probes(database) == 1

    fail(database)

    assert timedelta(seconds=50) < now(database).wait <= timedelta(seconds=60)
    assert probes(database) == 0
    assert events(database) == ["breaker.opened"]


def test_calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause(
    database: Database,
) -> None:
    fail(database, MOST_FAILURES + 20)

    assert now(database).wait <= timedelta(seconds=30)


def test_a_success_closes_it_and_both_are_told_once(database: Database) -> None:
    fail(database, MOST_FAILURES)
    with database.transaction() as db:
        (opened,) = open_breakers(db)
    with database.transaction() as db:
        first, second = succeeded(db, SCM), succeeded(db, SCM)

    assert opened.url == SCM
    assert (first, second) == (True, False)
    assert now(database).closed
    assert events(database) == ["breaker.opened", "breaker.closed"]


def test_failures_of_many_threads_at_once_are_all_counted(database: Database) -> None:
    together = threading.Barrier(MOST_FAILURES)

    def one(_: int) -> None:
        together.wait(30)
        fail(database)

    with ThreadPoolExecutor(MOST_FAILURES) as pool:
        list(pool.map(one, range(MOST_FAILURES)))

    assert not now(database).closed
