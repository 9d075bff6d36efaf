"""Tests of the clock: a due schedule fires once, however many clocks tick and however long none did."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from certline.models import (
    AccountStatus,
    AuditEntry,
    Base,
    Command,
    CommandType,
    Database,
    Outbox,
    Schedule,
    ScheduleRun,
)
from certline.models.audit.identity import Identity
from certline.models.database.session import clock
from certline.models.schedule import last_fired, schedules
from certline.producers import schedule as clock_module
from certline.producers.schedule import Producer, jobs, run_now, tick
from tests.integration.producers.schedules.due import NAMES, SETTLE, count, next_due, set_due
from tests.servers import PostgresServer, until
from tests.support.factories import an_account


def broken(db: Session) -> dict[str, int]:
    """Write a row and fail."""
    an_account(db, name="half done")
    raise ZeroDivisionError


def test_a_new_line_fires_everything_at_its_first_tick(database: Database) -> None:
    assert set(tick(database, SETTLE)) == NAMES
    assert tick(database, SETTLE) == []
    with database.transaction() as db:
        assert set(last_fired(db)) == NAMES
        assert all(schedule.next_due > clock(db) for schedule in schedules(db))


def test_every_schedule_has_a_job(database: Database) -> None:
    with database.transaction() as db:
        assert {schedule.name for schedule in schedules(db)} == set(jobs(SETTLE))


def test_four_clocks_that_tick_at_once_fire_once(database: Database) -> None:
    database.run(an_account)
    together = threading.Barrier(4)

    def beat(_number: int) -> list[str]:
        together.wait(10)
        return tick(database, SETTLE)

    with ThreadPoolExecutor(4) as pool:
        fired = [name for names in pool.map(beat, range(4)) for name in names]

    assert sorted(fired) == sorted(NAMES)
    assert (count(database, ScheduleRun), count(database, Command)) == (len(NAMES), 1)


def test_missed_runs_are_caught_up_once(database: Database) -> None:
    since = set_due(database, "sync", timedelta(days=50))

    assert tick(database, SETTLE) == ["sync"]

    with database.transaction() as db:
        [run] = db.scalars(select(ScheduleRun))
        assert (run.name, run.due) == ("sync", since)
        assert clock(db) < next_due(database, "sync") <= clock(db, timedelta(days=7))
    assert tick(database, SETTLE) == []


def test_a_firing_that_has_its_row_is_not_fired_again(database: Database) -> None:
    set_due(database, "sync", timedelta(hours=1))
    tick(database, SETTLE)
    with database.transaction() as db:
        db.get_one(Schedule, "sync").next_due = db.scalars(select(ScheduleRun.due)).one()

    assert tick(database, SETTLE) == []
    assert count(database, ScheduleRun) == 1


def test_a_schedule_that_is_off_does_not_fire(database: Database) -> None:
    since = set_due(database, "sync", timedelta(hours=1))
    with database.transaction() as db:
        db.get_one(Schedule, "sync").enabled = False

    assert tick(database, SETTLE) == []

    assert count(database, ScheduleRun) == 0
    assert next_due(database, "sync") == since


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_run_by_hand_leaves_the_next_time_as_it_is(database: Database, name: str) -> None:
    due = set_due(database, name, -timedelta(days=3))

    run_now(database, name, SETTLE, requested_by=Identity("os:ida"))
    run_now(database, name, SETTLE, requested_by=Identity("os:ida"))

    assert next_due(database, name) == due
    assert count(database, ScheduleRun) == 2


@pytest.mark.parametrize("spoilt", [{"cron": "nonsense"}, {"tz": "Mars/Olympus"}])
def test_a_schedule_that_cannot_be_read_stops_no_other(
    database: Database, spoilt: dict[str, str]
) -> None:
    with database.transaction() as db:
        db.execute(update(Schedule).where(Schedule.name == "poll").values(spoilt))

    assert set(tick(database, SETTLE)) == NAMES - {"poll"}

    with database.transaction() as db:
        assert set(last_fired(db)) == NAMES - {"poll"}


def test_a_schedule_of_a_newer_version_is_left_to_it(database: Database) -> None:
    with database.transaction() as db:
        due = clock(db, -timedelta(hours=1))
        newer = Schedule(name="later", cron="* * * * *", tz="UTC", enabled=True, next_due=due)
        db.add(newer)

    assert set(tick(database, SETTLE)) == NAMES

    assert next_due(database, "later") == due


def test_a_run_by_hand_is_logged_under_who_asked(database: Database) -> None:
    database.run(an_account)

    counts = run_now(database, "sync", SETTLE, requested_by=Identity("os:ida"))

    with database.transaction() as db:
        [event] = db.scalars(select(AuditEntry))
        assert counts == {"syncs": 1}
        assert (event.type, event.who, event.data) == (
            "schedule.sync",
            "os:ida",
            {"counts": counts},
        )


def test_a_schedule_that_is_unknown_cannot_be_run(database: Database) -> None:
    with pytest.raises(KeyError, match="backup"):
        run_now(database, "backup", SETTLE, requested_by=Identity("os:ida"))


@pytest.mark.parametrize(
    "fire",
    [
        lambda database: tick(database, SETTLE),
        lambda database: run_now(database, "sync", SETTLE, requested_by=Identity("os:ida")),
    ],
)
def test_a_firing_and_what_it_makes_are_one_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch, fire: Callable[[Database], object]
) -> None:
    since = set_due(database, "sync", timedelta(hours=1))
    monkeypatch.setattr("certline.producers.schedule.sync_all", broken)

    with pytest.raises(ZeroDivisionError):
        fire(database)

    assert count(database, ScheduleRun) == 0
    assert next_due(database, "sync") == since
    with database.transaction() as db:
        assert db.scalars(select(Base.metadata.tables["account"].c.name)).all() == []


def test_a_sync_is_asked_for_each_account_that_scm_lets_in(database: Database) -> None:
    with database.transaction() as db:
        an_account(db, name="north")
        an_account(db, name="south")
        an_account(db, name="locked", status=AccountStatus.SUSPENDED)

    tick(database, SETTLE)

    with database.transaction() as db:
        commands = list(db.scalars(select(Command).order_by(Command.subject)))
        assert [command.subject for command in commands] == ["north", "south"]
        assert {command.type for command in commands} == {CommandType.SYNC}
        assert count(database, Outbox) == 2 + 1  # and the head of the audit log


def test_a_sweep_that_found_nothing_leaves_no_row(database: Database) -> None:
    set_due(database, "sweep", timedelta(minutes=1))

    assert tick(database, SETTLE) == ["sweep"]

    assert count(database, AuditEntry) == 0


def test_a_producer_goes_on_when_postgres_comes_back(
    private_postgres: PostgresServer,
    private_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "TICK", 0.05)
    database = Database(private_database_url)
    producer, stop = Producer(database, SETTLE), threading.Event()
    thread = threading.Thread(target=producer.run, args=(stop,), daemon=True)
    thread.start()
    until(lambda: producer.beat, 20)

    private_postgres.restart()
    set_due(database, "sync", timedelta(hours=1))
    until(lambda: next_due(database, "sync") > database.run(clock), 20)
    stop.set()
    thread.join(20)
    database.close()

    assert not thread.is_alive()


def test_a_producer_that_has_not_reached_postgres_says_so(database: Database) -> None:
    assert Producer(database, SETTLE).fault() == "has not reached Postgres for a while"
