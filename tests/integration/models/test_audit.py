"""Tests of the audit log's hash chain: changed, removed and inserted entries are found and named."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from certline.models import Database
from certline.models.audit.chain import entries_in, head_of
from certline.models.audit.head import BEGINNING, BadHeadError, Head
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.migrate import upgrade
from certline.models.database.session import WAKE
from tests.integration.models.logged import downgrade_to, found, log, log_plainly, tamper


class Undone(Exception):
    """Raised to roll a transaction back."""


def test_a_log_that_nobody_touched_is_whole(database: Database) -> None:
    assert found(database) == []
    assert database.run(head_of) == Head((0,), BEGINNING)

    log(database, "order.placed", "order.sending")
    log(database, "order.pending")

    assert found(database) == []
    assert database.run(head_of).seq == database.run(entries_in) == 3


@pytest.mark.parametrize(
    ("changes", "kinds", "named"),
    [
        (["UPDATE event SET who = 'eve' WHERE id = 2"], ["changed"], "event 2, order.2 01J"),
        (["UPDATE event SET why = NULL WHERE id = 2"], ["changed"], "event 2"),
        (["UPDATE event SET at = at + interval '1 microsecond' WHERE id = 2"], ["changed"], "2"),
        (["UPDATE event SET data = '{\"names\": []}' WHERE id = 2"], ["changed"], "event 2"),
        (
            ["UPDATE event_link SET hash = repeat('a', 64) WHERE seq = 2"],
            ["changed"] * 2,
            "entry 2",
        ),
        (["DELETE FROM event WHERE id = 2"], ["removed"], "entry 2 (event 2)"),
        (
            ["DELETE FROM event WHERE id = 2", "DELETE FROM event_link WHERE seq = 2"],
            ["removed"],
            "entry 2 is missing",
        ),
        (
            ["DELETE FROM event WHERE id > 2", "DELETE FROM event_link WHERE seq > 2"],
            ["removed"],
            "entries 3 to 4 are missing at the end",
        ),
        (["DELETE FROM event_link WHERE seq = 1"], ["removed", "inserted"], "entry 1 is missing"),
        (["DELETE FROM event_head"], ["removed"], "the end of the chain"),
        (
            ["UPDATE event_head SET hash = repeat('a', 64) WHERE lane = 0"],
            ["changed"],
            "hash of entry 4",
        ),
        (["UPDATE event_head SET seq = 3 WHERE lane = 0"], ["inserted"], "entries after 3"),
        (
            [
                "INSERT INTO event (type, subject, who, data) VALUES ('order.placed', '02J', 'eve', '{}')"
            ],
            ["inserted"],
            "event 5 (order.placed 02J)",
        ),
    ],
)
def test_what_somebody_did_to_the_log_is_found_and_named(
    database: Database, changes: list[str], kinds: list[str], named: str
) -> None:
    log(database, "order.1", "order.2")
    log(database, "order.3", "order.4")

    tamper(database, *changes)

    breaks = found(database)
    assert [each.kind for each in breaks] == kinds
    assert named in breaks[0].text


def test_a_log_that_was_written_anew_is_told_by_an_end_that_was_kept_outside(
    database: Database,
) -> None:
    log(database, "order.1", "order.2")
    kept = Head.of(str(database.run(head_of)))
    log(database, "order.3")
    assert found(database, kept) == found(database, Head((0,), BEGINNING)) == []

    tamper(
        database,
        "UPDATE event SET who = 'eve' WHERE id = 2",
        "TRUNCATE event_link",
        "UPDATE event_head SET seq = 0, hash = lpad(to_hex(lane), 64, '0')",
    )
    with database.transaction() as db:  # chained again, as the migration does it
        db.execute(text("ALTER TABLE event DISABLE TRIGGER event_append_only"))
        db.execute(text("CREATE TEMPORARY TABLE kept AS SELECT * FROM event ORDER BY id"))
        db.execute(text("DELETE FROM event"))
        db.execute(text("INSERT INTO event OVERRIDING SYSTEM VALUE SELECT * FROM kept"))

    assert found(database) == []
    (told,) = found(database, kept)
    assert (told.kind, told.seq) == ("rewritten", 2)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "12",
        "12:abc",
        f"x:{BEGINNING}",
        f"-1:{BEGINNING}",
        f"1+:{BEGINNING}",
        f"1++2:{BEGINNING}",
    ],
)
def test_an_end_that_cannot_be_one_is_refused(words: str) -> None:
    with pytest.raises(BadHeadError, match="number of entries and a hash"):
        Head.of(words)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO event_link (lane, seq, event_id, hash) VALUES (0, 9, 9, 'a')",
        "UPDATE event_link SET hash = 'a'",
        "DELETE FROM event_link",
        "TRUNCATE event_link",
        "INSERT INTO event_head (lane, seq, hash) VALUES (99, 9, 'a')",
        "UPDATE event_head SET seq = 9",
        "DELETE FROM event_head",
        "TRUNCATE event_head",
    ],
)
def test_nobody_writes_the_chain_by_hand(database: Database, statement: str) -> None:
    log(database, "order.placed")

    with pytest.raises(DBAPIError, match="only ever added"), database.transaction() as db:
        db.execute(text(statement))

    assert found(database) == []


def test_an_entry_that_was_not_committed_is_not_in_the_chain(database: Database) -> None:
    log(database, "order.placed")

    with suppress(Undone), database.transaction() as db:
        record(db, "order.sending", "01J", who=Identity("certline:certline"))
        db.flush()
        raise Undone

    log(database, "order.pending")
    assert found(database) == []
    assert database.run(head_of).seq == 2


def test_an_entry_without_a_chain_is_not_committed(database: Database) -> None:
    tamper(database, "DELETE FROM event_head")

    with pytest.raises(DBAPIError):
        log(database, "order.placed")

    assert database.run(entries_in) == 0


def test_many_at_once_make_one_chain_and_none_waits_for_ever(database: Database) -> None:
    """Each thread locks entries and rows that others want too, in any order, and some roll back."""
    with database.transaction() as db:
        db.execute(text("CREATE TABLE work (id int PRIMARY KEY, done int)"))
        db.execute(text("INSERT INTO work SELECT n, 0 FROM generate_series(1, 8) AS n"))

    def worker(number: int) -> int:
        dice, done = random.Random(number), 0  # noqa: S311  # which rows, not a secret
        for turn in range(25):
            with suppress(Undone), database.transaction() as db:
                record(db, "work.begun", f"{number}", who=Identity("os:ida"), turn=turn)
                db.flush()
                rows = {"ids": sorted(dice.sample(range(1, 9), 3))}
                db.execute(
                    text("SELECT FROM work WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), rows
                )
                db.execute(text("UPDATE work SET done = done + 1 WHERE id = ANY(:ids)"), rows)
                record(db, "work.done", f"{number}", who=Identity("os:ida"), turn=turn)
                db.info[WAKE] = True
                if dice.random() < 0.2:
                    raise Undone
                done += 1
        return done

    with ThreadPoolExecutor(12) as pool:
        committed = sum(pool.map(worker, range(12)))

    assert found(database) == []
    assert database.run(head_of).seq == database.run(entries_in) == 2 * committed


def test_what_was_logged_before_there_was_a_chain_is_chained(database: Database) -> None:
    log(database, "order.1", "order.2")
    log(database, "order.3")
    before = database.run(head_of)
    downgrade_to(database, "0006")
    log_plainly(database)

    upgrade(database.url)

    assert found(database, before) == []
    log(database, "order.5")
    assert found(database) == []
    assert database.run(head_of).seq == 5
