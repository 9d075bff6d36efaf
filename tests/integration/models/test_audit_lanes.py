"""Tests of the lanes of the audit log's chain: commits need not wait for each other, and nothing less is found."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.audit.chain import head_of
from certline.models.audit.head import Head
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.migrate import upgrade
from tests.integration.models.logged import downgrade_to, found, log, log_plainly, tamper


def log_in_two_lanes(database: Database, first: str, second: str) -> None:
    """Record two entries in transactions of which the second commits while the first holds its lane."""
    with database.transaction() as holder:
        record(holder, first, "01J", who=Identity("os:ida"))
        holder.flush()
        holder.execute(
            text("SET CONSTRAINTS ALL IMMEDIATE")
        )  # takes the lane now, and not at the commit
        log(database, second)


def lanes_of(database: Database) -> list[tuple[int, int, int]]:
    """Return the lane, the number in it and the event of each link."""
    with database.transaction() as db:
        links = text("SELECT lane, seq, event_id FROM event_link ORDER BY event_id")
        return [(lane, seq, event) for lane, seq, event in db.execute(links)]


def test_a_commit_does_not_wait_for_one_that_holds_a_lane(database: Database) -> None:
    log(database, "order.1", "order.2")

    log_in_two_lanes(database, "order.3", "order.4")
    log(database, "order.5")

    assert lanes_of(database) == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 1, 4), (0, 4, 5)]
    assert found(database) == []
    head = database.run(head_of)
    assert (head.counts, head.seq) == ((4, 1), 5)
    assert Head.of(str(head)) == head


def test_all_entries_of_a_transaction_are_in_one_lane(database: Database) -> None:
    with database.transaction() as holder:
        record(holder, "order.1", "01J", who=Identity("os:ida"))
        holder.flush()
        holder.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        log(database, "order.2", "order.3")
        record(holder, "order.4", "01J", who=Identity("os:ida"))

    assert [lane for lane, _, _ in lanes_of(database)] == [0, 1, 1, 0]
    assert found(database) == []


def test_a_commit_waits_only_when_every_lane_is_held(database: Database) -> None:
    with database.transaction() as holder:
        holder.execute(text("SELECT FROM event_head FOR UPDATE"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            database.run(log_without_patience)

    log(database, "order.2")
    assert found(database) == []


def log_without_patience(db: Session) -> None:
    """Record an entry in a transaction that waits for no lock."""
    db.execute(text("SET LOCAL lock_timeout = '50ms'"))
    record(db, "order.1", "01J", who=Identity("os:ida"))


@pytest.mark.parametrize(
    ("changes", "kinds", "named"),
    [
        (["UPDATE event SET who = 'eve' WHERE id = 2"], ["changed"], "entry 1 of lane 1 (event 2"),
        (["DELETE FROM event WHERE id = 2"], ["removed"], "entry 1 of lane 1 (event 2)"),
        (
            ["DELETE FROM event WHERE id = 2", "DELETE FROM event_link WHERE lane = 1"],
            ["removed"],
            "entry 1 is missing at the end of lane 1",
        ),
        (["DELETE FROM event_head WHERE lane = 1"], ["removed"], "removed: of lane 1"),
        (["UPDATE event_head SET seq = 0 WHERE lane = 1"], ["inserted"], "after 0 of lane 1"),
        (["UPDATE event_link SET lane = 5 WHERE lane = 1"], ["removed", "changed", "inserted"], ""),
        (
            [
                "UPDATE event_link SET lane = 5 WHERE lane = 1",
                "UPDATE event_head SET lane = 99 WHERE lane = 5",
                "UPDATE event_head SET lane = 5 WHERE lane = 1",
            ],
            ["changed", "changed"],
            "entry 1 of lane 5",
        ),
    ],
)
def test_what_somebody_did_to_another_lane_is_found_and_named(
    database: Database, changes: list[str], kinds: list[str], named: str
) -> None:
    log_in_two_lanes(database, "order.1", "order.2")
    assert found(database) == []

    tamper(database, *changes)

    breaks = found(database)
    assert [each.kind for each in breaks] == kinds
    assert named in breaks[0].text


def test_a_head_over_several_lanes_tells_a_lane_that_was_written_anew(database: Database) -> None:
    log(database, "order.1")
    first = database.run(head_of)
    log_in_two_lanes(database, "order.2", "order.3")
    kept = Head.of(str(database.run(head_of)))
    log_in_two_lanes(database, "order.4", "order.5")
    assert found(database, first) == found(database, kept) == []

    tamper(
        database,
        "UPDATE event SET who = 'eve' WHERE id = 3",
        "DELETE FROM event_link WHERE lane = 1",
        "UPDATE event_head SET seq = 0, hash = lpad('1', 64, '0') WHERE lane = 1",
    )
    with database.transaction() as db:  # both entries of the lane are chained again
        db.execute(text("ALTER TABLE event DISABLE TRIGGER event_append_only"))
        db.execute(text("SET LOCAL certline.audit_lane = 1"))
        db.execute(text("CREATE TEMPORARY TABLE kept AS SELECT * FROM event WHERE id IN (3, 5)"))
        db.execute(text("DELETE FROM event WHERE id IN (3, 5)"))
        db.execute(text("INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM kept ORDER BY id"))

    assert found(database) == []
    assert found(database, first) == []  # what it counts was not touched
    (told,) = found(database, kept)
    assert (told.kind, told.seq) == ("rewritten", 3)
    assert "one of the 3 entries is another one now" in told.text


def test_lanes_begin_with_the_chain_that_was_there_and_can_be_joined_again(
    database: Database,
) -> None:
    downgrade_to(database, "0023")
    log_plainly(database)
    upgrade(database.url)
    (old,) = [database.run(head_of)]
    assert old.counts == (1,)
    log_in_two_lanes(database, "order.5", "order.6")
    assert found(database, old) == []

    downgrade_to(database, "0023")
    upgrade(database.url)

    assert [lane for lane, _, _ in lanes_of(database)] == [0, 0, 0]
    assert found(database, old) == []
