"""Tests of heartbeats: which processes count as running, and whose rows go."""

from datetime import timedelta

from sqlalchemy import func, select, text, update

from certline.models import Database, Heartbeat
from certline.models.heartbeat import (
    KEEP_STALE,
    Part,
    ScmTally,
    beat,
    end_heartbeat,
    forget_stale,
    replace_stale,
    roles_in,
    running_parts,
    stale_parts,
)
from certline.workers.process.heart import Heart, beating

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


def test_a_heartbeat_tells_the_calls_since_the_last_one_that_was_stored(database: Database) -> None:
    tally = ScmTally()
    heart = Heart(database, Part.WORKER, every=3600.0, check=lambda: None, vault=None, tally=tally)
    with beating(heart):
        tally.add(failed=False)
        tally.add(failed=True)
        heart._try(heart._beat)
        first = calls_of(database)
        tally.add(failed=False)
        with database.transaction() as db:
            db.execute(text("ALTER TABLE heartbeat RENAME TO elsewhere"))
        heart._try(heart._beat)  # logged, and not stored
        with database.transaction() as db:
            db.execute(text("ALTER TABLE elsewhere RENAME TO heartbeat"))
        tally.add(failed=False)
        heart._try(heart._beat)
        second = calls_of(database)

    assert (first.scm_calls, first.scm_errors) == (2, 1)
    assert first.scm_seconds > 0
    assert (second.scm_calls, second.scm_errors) == (2, 0)


def calls_of(database: Database) -> Heartbeat:
    with database.transaction() as db:
        return db.scalars(select(Heartbeat)).one()
