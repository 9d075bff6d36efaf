"""Tests of the backoff: a line's failed renewals are counted until one succeeds or an operator resets it."""

from datetime import timedelta

from certline.models import Database
from certline.models.certificates.backoff import (
    Backoff,
    backoff_of,
    renewal_failed,
    renewal_worked,
    reset_backoff,
)
from certline.models.database.session import clock
from tests.factories import a_line, an_account


def a_line_id(database: Database) -> str:
    """Insert a line without failures. Returns its id."""
    with database.transaction() as db:
        return a_line(db, an_account(db)).id


def fail(database: Database, line_id: str, *, permanent: bool = False) -> Backoff:
    """Record another failure of its renewal."""
    with database.transaction() as db:
        return renewal_failed(db, line_id, permanent=permanent, reason="SCM was busy")


def test_each_failure_that_passes_makes_the_rest_longer(database: Database) -> None:
    line_id = a_line_id(database)

    rests = []
    for _ in range(5):
        failed = fail(database, line_id)
        with database.transaction() as db:
            rests.append((failed.next_try_at or clock(db)) - clock(db))

    minutes = [round(rest / timedelta(minutes=1)) for rest in rests]
    assert minutes == [1, 10, 100, 1440, 1440]
    with database.transaction() as db:
        assert backoff_of(db, [line_id])[line_id].failures == 5


def test_what_scm_refuses_waits_for_a_person_and_goes_on_waiting(database: Database) -> None:
    line_id = a_line_id(database)

    fail(database, line_id, permanent=True)
    failed = fail(database, line_id)

    assert (failed.waits_for_person, failed.next_try_at) == (True, None)


def test_one_line_rests_and_the_others_do_not(database: Database) -> None:
    resting, other = a_line_id(database), a_line_id(database)

    fail(database, resting)

    with database.transaction() as db:
        found = backoff_of(db, [resting, other])
    assert found[resting].failures == 1
    assert found[other] == Backoff()


def test_a_stored_successor_and_a_person_begin_anew(database: Database) -> None:
    worked, renewed_by_hand = a_line_id(database), a_line_id(database)
    for line_id in (worked, renewed_by_hand):
        fail(database, line_id, permanent=True)

    with database.transaction() as db:
        renewal_worked(db, worked)
        assert reset_backoff(db, renewed_by_hand)
        assert not reset_backoff(db, renewed_by_hand)

    with database.transaction() as db:
        assert set(backoff_of(db, [worked, renewed_by_hand]).values()) == {Backoff()}
