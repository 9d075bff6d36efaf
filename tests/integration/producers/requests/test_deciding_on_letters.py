"""Tests of decisions on a dead letter: each is made once, and recorded."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from certline.models import Database, DeadLetter, DeadLetterStatus
from certline.models.audit.identity import Identity
from certline.models.figures.catalogue import reading
from certline.models.figures.sample import figures_now
from certline.producers.requests.dead_letters import AlreadyDecidedError, drop, replay
from tests.integration.producers.letters import (
    as_it_stands,
    log_of,
    refused,
    refused_by_a_fault_of_ours,
)
from tests.integration.producers.senders import VAULT, an_event, commands, letters
from tests.servers import until


def test_a_dropped_letter_keeps_the_reason_and_has_no_effect(database: Database) -> None:
    letter = refused(database, an_event(data={}))

    drop(database, letter.id, reason="a test of the shop's", who=Identity("os:ida"))

    now = as_it_stands(database, letter)
    assert (now.status, now.decision) == (DeadLetterStatus.DROPPED, "a test of the shop's")
    assert log_of(database, letter) == [("dead_letter.dropped", "os:ida", "a test of the shop's")]
    assert commands(database) == []


def test_the_same_message_after_the_decision_is_another_letter(database: Database) -> None:
    event = an_event(data={})
    drop(database, refused(database, event).id, reason="mended", who=Identity("os:ida"))

    assert refused(database, event).status is DeadLetterStatus.WAITING
    assert len(letters(database)) == 2


def test_a_letter_is_decided_on_once_however_many_do_so_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = refused_by_a_fault_of_ours(database, monkeypatch, an_event())

    def decide(number: int) -> bool:
        try:
            if number % 2:
                drop(database, letter.id, reason="mended", who=Identity("os:ida"))
            else:
                replay(database, VAULT, letter.id, who=Identity("os:ida"))
        except AlreadyDecidedError:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        with database.transaction() as db:
            db.get_one(DeadLetter, letter.id, with_for_update=True)
            decided = [pool.submit(decide, number) for number in range(3)]
            until(lambda: held_up(database) == 3, 30)
        outcomes = [each.result(30) for each in decided]

    assert sum(outcomes) == 1
    assert len(log_of(database, letter)) == 1
    was_replayed = as_it_stands(database, letter).status is DeadLetterStatus.REPLAYED
    assert len(commands(database)) == was_replayed


def held_up(database: Database) -> int:
    """Count the transactions that wait for another one's lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.transaction() as db:
        return db.scalar(text(waiting)) or 0


def test_a_monitor_counts_the_letters_that_wait(database: Database) -> None:
    def waiting() -> float:
        return reading(database.run(figures_now), "certline_dead_letters")

    assert waiting() == 0
    first = refused(database, an_event(data={}))
    refused(database, b"{")
    assert waiting() == 2
    drop(database, first.id, reason="mended", who=Identity("os:ida"))
    assert waiting() == 1
