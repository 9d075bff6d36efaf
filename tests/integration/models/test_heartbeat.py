"""Tests of heartbeats: which processes count as running, and whose rows go."""

from datetime import timedelta

from sqlalchemy import func, update

from certline.models import Database, Heartbeat
from certline.models.heartbeat import (
    KEEP_STALE,
    Part,
    beat,
    end_heartbeat,
    forget_stale,
    replace_stale,
    roles_in,
    running_parts,
    stale_parts,
)

ROW = {
    "id": "one",
    "part": "worker",
    "host": "ada",
    "pid": 1,
    "version": "0.1.0",
    "queues": ["certline.order"],
    "keys": ["abc"],
    "every": 15.0,
    "fault": None,
}


def seen(database: Database, **changes: object) -> None:
    with database.transaction() as db:
        beat(db, ROW | changes)


def age(database: Database, own_id: str, by: timedelta) -> None:
    with database.transaction() as db:
        mine = update(Heartbeat).where(Heartbeat.id == own_id)
        db.execute(mine.values(seen_at=func.now() - by))


def ids(database: Database) -> tuple[list[str], list[str]]:
    """Return the ids of the processes that run, and of those that are stale."""
    with database.transaction() as db:
        return [row.id for row in running_parts(db)], [row.id for row in stale_parts(db)]


def test_a_process_counts_as_running_for_three_intervals(database: Database) -> None:
    seen(database)
    age(database, "one", timedelta(seconds=44))
    assert ids(database) == (["one"], [])

    age(database, "one", timedelta(seconds=46))
    assert ids(database) == ([], ["one"])

    seen(database, fault="2 worker threads have died")
    with database.transaction() as db:
        (row,) = running_parts(db)
    assert row.fault == "2 worker threads have died"


def test_a_process_that_starts_replaces_the_killed_one(database: Database) -> None:
    seen(database)
    seen(database, id="elsewhere", host="berta")
    seen(database, id="beside", pid=2)
    seen(database, id="gone", pid=3)
    age(database, "gone", timedelta(minutes=2))

    with database.transaction() as db:
        replace_stale(db, "worker", "ada", 1)  # in a container each process has the id 1

    assert sorted(ids(database)[0]) == ["beside", "elsewhere"]
    assert ids(database)[1] == []


def test_a_stopped_process_and_one_long_gone_leave_no_row(database: Database) -> None:
    seen(database)
    seen(database, id="killed", pid=2)
    age(database, "killed", KEEP_STALE + timedelta(minutes=1))

    with database.transaction() as db:
        end_heartbeat(db, "one")
        assert forget_stale(db) == 1

    assert ids(database) == ([], [])


def test_up_stands_for_three_parts() -> None:
    assert roles_in([Heartbeat(part="up")]) == {Part.WORKER, Part.RELAY, Part.PRODUCER}
    assert roles_in([Heartbeat(part="of a newer version")]) == frozenset()
