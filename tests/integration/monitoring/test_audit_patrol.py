"""Tests of the patrol of the audit log: it finds what was changed, and says so until a round finds nothing."""

import pytest
from sqlalchemy import select, text

from certline.models import AuditPatrol, Database
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.audit.patrol import found_broken, patrol, patrol_state
from certline.producers import audit_round
from certline.producers.audit_round import AuditRound

WHO = Identity("os:test")


def entries(database: Database, count: int) -> None:
    """Add that many entries, each in a transaction of its own."""
    for number in range(count):
        with database.transaction() as db:
            record(db, "test.entry", str(number), who=WHO)


def whole_round(database: Database, most: int = 2) -> str | None:
    """Check until a round is complete. Returns the first break that was found in it."""
    found = None
    rounds = database.run(lambda db: db.scalar(select(AuditPatrol.rounds)))
    while database.run(lambda db: db.scalar(select(AuditPatrol.rounds))) == rounds:
        found = database.run(lambda db: patrol(db, most)) or found
    return found


def falsify(database: Database, statement: str) -> None:
    """Change the log as its owner can, whom no trigger stops."""
    with database.engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        connection.execute(text(statement))


def test_an_untouched_log_is_whole(database: Database) -> None:
    entries(database, 5)

    assert whole_round(database) is None
    assert database.run(found_broken) is None


def test_it_is_known_how_far_the_log_is_verified(database: Database) -> None:
    entries(database, 5)
    database.run(lambda db: patrol(db, 2))
    begun = database.run(patrol_state)
    whole_round(database)
    done = database.run(patrol_state)
    falsify(database, "DELETE FROM event_patrol")

    assert begun is not None
    assert done is not None
    assert (begun.entries, begun.verified, begun.rounds, begun.broken) == (5, 2, 0, None)
    assert (done.entries, done.rounds, done.verified) == (5, 1, 0)
    assert done.checked_at > begun.checked_at
    assert database.run(patrol_state) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET why = 'another' WHERE subject = '3'",
        "DELETE FROM event WHERE subject = '3'",
        "DELETE FROM event_link WHERE event_id = (SELECT id FROM event WHERE subject = '3')",
        "UPDATE event_link SET hash = repeat('a', 64) WHERE event_id = (SELECT min(event_id) FROM event_link)",
        "DELETE FROM event_link WHERE event_id = (SELECT max(event_id) FROM event_link)",
    ],
)
def test_a_change_is_found_and_said_once(database: Database, statement: str) -> None:
    entries(database, 5)
    falsify(database, statement)

    assert whole_round(database) is not None
    assert database.run(found_broken) is not None
    assert whole_round(database) is None  # it is no news
    assert database.run(found_broken) is not None


def test_a_log_that_was_put_right_is_whole_after_a_round(database: Database) -> None:
    entries(database, 5)
    falsify(database, "UPDATE event SET why = 'another' WHERE subject = '3'")
    whole_round(database)
    falsify(database, "UPDATE event SET why = NULL WHERE subject = '3'")

    whole_round(database)
    whole_round(database)

    assert database.run(found_broken) is None


def test_whoever_removes_the_patrol_is_noticed(database: Database) -> None:
    falsify(database, "DELETE FROM event_patrol")

    assert "was deleted" in str(database.run(found_broken))


def test_what_another_producer_checks_is_left_to_it(database: Database) -> None:
    entries(database, 1)
    with database.transaction() as db, database.transaction() as other:
        db.scalars(select(AuditPatrol).with_for_update()).one()
        assert patrol(other) is None
        assert other.scalar(select(AuditPatrol.seq)) == 0


def test_a_producer_checks_a_piece_a_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries(database, 1)
    now = [1_000.0]
    monkeypatch.setattr("certline.producers.audit_round.time.monotonic", lambda: now[0])
    checks = AuditRound(database)

    for _ in range(3):
        checks.go_on()
    first = database.run(lambda db: db.scalars(select(AuditPatrol.checked_at)).one())
    now[0] += audit_round.EVERY
    checks.go_on()

    assert database.run(lambda db: db.scalars(select(AuditPatrol.checked_at)).one()) > first
