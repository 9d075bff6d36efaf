# ruff: noqa: F811 -- fixtures are imported
"""Tests of what the owner of the database tries with the audit log: to rewrite it, or to cut its end off."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from certline.models import Database, Outbox
from certline.models.audit.chain import head_of
from certline.models.audit.head import BEGINNING, Head
from certline.models.audit.identity import Identity
from certline.models.audit.kept_heads import BadHeadsError, append_head, heads_in
from certline.models.audit.log import record
from certline.models.database.session import clock
from certline.models.schedule import due_schedules
from certline.models.settings import settings
from certline.producers.audit_head import publish_head
from certline.producers.schedule import AUDIT_HEAD, tick
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture
from tests.security.roles import database  # noqa: F401  # a fixture

# Chains the log anew, as its owner can: the same statement that chained it first (migration 0007).
REWRITE = """DO $$
DECLARE entry event; place bigint := 0; digest text := repeat('0', 64);
BEGIN
    FOR entry IN SELECT * FROM event ORDER BY id LOOP
        place := place + 1;
        digest := encode(sha256(convert_to(digest || chr(10) || jsonb_build_array(place, entry.id,
            to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry.type,
            entry.subject, entry.command_id, entry.who, entry.why, entry.data)::text, 'UTF8')), 'hex');
        INSERT INTO event_link (lane, seq, event_id, hash) VALUES (0, place, entry.id, digest);
    END LOOP;
    INSERT INTO event_head (lane, seq, hash) VALUES (0, place, digest);
END $$"""


@pytest.fixture
def kept(typist: Typist, tmp_path: Path) -> Path:
    """Return a file with three heads of a log of six entries: after the second, the fourth and the sixth."""
    file = tmp_path / "heads.jsonl"
    for number in range(1, 7):
        with typist.database.transaction() as db:
            record(db, f"order.{number}", "01J", who=Identity("os:ida"))
        if number % 2 == 0:
            typist.database.run(lambda db: publish_head(db, file))
    return file


def rewrite(database: Database, *statements: str) -> None:
    """Change the log as its owner can, and make its chain consistent again."""
    with database.transaction() as db:
        db.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in (*statements, "DELETE FROM event_link", "DELETE FROM event_head", REWRITE):
            db.execute(text(statement))


def test_a_log_that_nobody_touched_contains_all_heads(typist: Typist, kept: Path) -> None:
    found = typist.json("audit", "verify", "--against", str(kept))

    assert (found["whole"], found["heads"], found["entries"]) == (True, 3, 6)
    assert "All heads that were kept are in it: 3." in typist.types(
        "audit", "verify", "--against", str(kept)
    )


def test_an_owner_cannot_rewrite_an_entry_and_the_chain_after_it(
    typist: Typist, kept: Path
) -> None:
    rewrite(typist.database, "UPDATE event SET who = 'eve' WHERE type = 'order.3'")
    assert typist.json("audit", "verify")["whole"]  # consistent in itself

    found = typist.json("audit", "verify", "--against", str(kept), code=1)

    (broken,) = found["breaks"]
    assert (broken["kind"], broken["entry"]) == ("rewritten", 4)
    assert "entry 4 is another one now: the log was rewritten from entry 3 on" in broken["message"]
    assert "nor 1 further heads" in broken["message"]


def test_an_owner_cannot_cut_the_last_entries_off(typist: Typist, kept: Path) -> None:
    rewrite(typist.database, "DELETE FROM event WHERE type IN ('order.5', 'order.6')")
    assert typist.json("audit", "verify")["whole"]

    (broken,) = typist.json("audit", "verify", "--against", str(kept), code=1)["breaks"]

    assert (broken["kind"], broken["entry"]) == ("rewritten", 6)
    assert "the log ends with entry 4; later ones were cut off" in broken["message"]


def test_an_owner_cannot_fill_a_cut_end_with_other_entries(typist: Typist, kept: Path) -> None:
    rewrite(typist.database, "DELETE FROM event WHERE type = 'order.5'")
    with typist.database.transaction() as db:
        record(db, "order.9", "01J", who=Identity("os:eve"))

    (broken,) = typist.json("audit", "verify", "--against", str(kept), code=1)["breaks"]

    assert (broken["kind"], broken["entry"]) == ("rewritten", 6)


def test_events_that_were_kept_are_as_good_as_the_file(
    typist: Typist,
    kept: Path,
    tmp_path: Path,
) -> None:
    with typist.database.transaction() as db:
        events = [row.body for row in db.scalars(select(Outbox).order_by(Outbox.id))]
    others = {"specversion": "1.0", "type": "order.placed", "data": {"order_id": "01J"}}
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(event) for event in [*events, others]))
    heads = [event["data"]["head"] for event in events if event["type"] == "audit.head"]
    assert heads == [json.loads(line)["head"] for line in kept.read_text().splitlines()]
    assert typist.json("audit", "verify", "--against", str(file))["heads"] == 3

    rewrite(typist.database, "DELETE FROM event WHERE type = 'order.6'")

    assert not typist.json("audit", "verify", "--against", str(file), code=1)["whole"]


def test_the_head_goes_out_each_hour_by_itself(
    typist: Typist,
    tmp_path: Path,
) -> None:
    file = tmp_path / "heads.jsonl"
    with typist.database.transaction() as db:
        record(db, "order.placed", "01J", who=Identity("os:ida"))

    assert AUDIT_HEAD in tick(typist.database, settings().settle, file)

    with typist.database.transaction() as db:
        head = head_of(db)
        assert AUDIT_HEAD not in due_schedules(db)
        sent: list[dict[str, Any]] = list(
            db.scalars(select(Outbox.body).where(Outbox.routing_key == "audit.head"))
        )
    (line,) = file.read_text().splitlines()
    assert json.loads(line)["head"] == sent[0]["data"]["head"]
    assert file.stat().st_mode & 0o777 == 0o600
    # It is the last of the tick's jobs, and adds no entry itself: otherwise the chain would never rest.
    assert Head.of(sent[0]["data"]["head"]) == head


def test_a_file_that_cannot_be_written_stops_neither_the_event_nor_the_producer(
    typist: Typist,
    tmp_path: Path,
) -> None:
    aim = tmp_path / "passwd"
    aim.write_text("mine")
    trap = tmp_path / "heads.jsonl"
    trap.symlink_to(aim)

    for file in (trap, tmp_path / "missing" / "heads.jsonl", tmp_path):
        assert typist.database.run(partial(publish_head, file=file)) == {"entries": 0}

    assert aim.read_text() == "mine"
    with typist.database.transaction() as db:
        assert len(db.scalars(select(Outbox)).all()) == 3


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("nonsense", "line 1: 'nonsense' is not a number of entries and a hash"),
        ('{"head": 12}', "line 1: there is no `head`"),
        (f"1:{BEGINNING}\n{{]}}", "line 2: it is not JSON"),
        ("[" * 100_000, "line 1"),
        ('{"head": ' * 5_000 + "}", "line 1"),
        (
            '{"specversion": "1.0", "type": "audit.head", "data": null}',
            "line 1: there is no `head`",
        ),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    typist: Typist,
    tmp_path: Path,
    lines: str,
    why: str,
) -> None:
    file = tmp_path / "heads"
    file.write_text(lines)

    refused = typist.json("audit", "verify", "--against", str(file), code=2)["error"]

    assert why in refused["message"]


def test_a_file_without_heads_proves_nothing(typist: Typist, tmp_path: Path) -> None:
    file = tmp_path / "heads"
    file.write_text("\n")

    refused = typist.json("audit", "verify", "--against", str(file), code=2)["error"]

    assert "there is no head in" in refused["message"]


def test_a_line_that_was_cut_short_does_not_spoil_those_before_it(
    typist: Typist,
    kept: Path,
) -> None:
    with kept.open("a") as file:
        file.write('{"at": "2026-11-')

    said = typist.types("audit", "verify", "--against", str(kept))

    assert "last line" in said
    assert "are in it: 3." in said


def test_heads_are_appended_and_never_replaced(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "heads.jsonl"
    first, second = Head((1,), "a" * 64), Head((2,), "b" * 64)
    now = database.run(clock)

    append_head(file, first, now)
    append_head(file, second, now)

    assert [each.head for each in heads_in(file.read_text().splitlines())] == [first, second]
    with pytest.raises(BadHeadsError, match="line 1"):
        list(heads_in(["x"]))
