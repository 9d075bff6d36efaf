"""Tests of the metrics: what takes long is counted by one process for all, and the rest looked up each time."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from certline.models import Database, Heartbeat, MetricSample, metrics
from certline.models.metrics import as_text, scrape, take_counts
from tests.support.factories import an_account, an_order

STORED = 'certline_orders{status="stored"}'


def older(database: Database, by: timedelta) -> None:
    with database.transaction() as db:
        db.execute(update(MetricSample).values(taken_at=func.now() - by))


def another_order(database: Database) -> None:
    with database.transaction() as db:
        an_order(db, status="stored")


def test_counts_are_kept_and_states_are_not(database: Database) -> None:
    another_order(database)
    first = scrape(database)

    another_order(database)
    with database.transaction() as db:
        an_account(db, name="off", status="suspended")
    second = scrape(database)

    assert (first[STORED], second[STORED]) == (1, 1)
    assert first["certline_accounts_suspended"] == 0
    assert second["certline_accounts_suspended"] == 1


def test_counts_that_are_too_old_are_not_shown(database: Database) -> None:
    scrape(database)
    another_order(database)
    older(database, metrics.KEEP + timedelta(seconds=1))

    found = scrape(database)

    assert found[STORED] == 1
    assert found["certline_counts_age_seconds"] < metrics.FRESH.total_seconds()


def test_old_counts_are_shown_once_more_and_taken_again_for_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrape(database)
    another_order(database)
    older(database, metrics.FRESH + timedelta(seconds=1))
    begun: list[object] = []

    class Thread:
        def __init__(self, *, target: object, args: object, daemon: bool) -> None:
            assert daemon
            begun.append((target, args))

        def start(self) -> None:
            metrics._count_again(database)

    monkeypatch.setattr(threading, "Thread", Thread)

    assert STORED not in scrape(database)
    assert len(begun) == 1
    assert scrape(database)[STORED] == 1


def test_one_process_counts_at_a_time(database: Database) -> None:
    with database.transaction() as db, database.transaction() as other:
        assert take_counts(db)
        assert not take_counts(other)
    with database.transaction() as db:
        assert not take_counts(db)  # they are recent
        assert db.scalar(select(func.count()).select_from(MetricSample)) == 1


def test_the_help_of_a_kept_metric_says_how_old_it_may_be(database: Database) -> None:
    another_order(database)
    with database.transaction() as db:
        assert db.scalars(select(Heartbeat)).all() == []

    lines = as_text(scrape(database)).splitlines()

    [told] = [line for line in lines if line.startswith("# HELP certline_orders ")]
    assert told.endswith("up to 120 s ago.")
    assert lines[lines.index(told) + 1] == f"{STORED} 1"
