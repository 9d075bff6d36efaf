"""Tests of `certline recover`: what it says, its document, its exit codes, and that looking changes nothing."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import func, select, update

from certline.models import AuditEntry, Command, CommandType, Database, Order, Recovery
from certline.models.restore.recovery import recovery_of
from tests.integration.cli.conftest import Typist
from tests.integration.restore.conftest import (
    ErpLine,
    a_successor_of,
    an_order_for,
    send_all,
)

REPORT = "POST /report/v1/ssl-certificates"
DETAILS = "GET /ssl/v1/{sslId}"
DONE, FAILED, WRONG_USE, WAITS, NOTHING, NO_SERVER = 0, 1, 2, 3, 4, 6


def rows_of(database: Database) -> list[Any]:
    """Return what a recovery would change: how many rows there are, and the recovery itself."""
    with database.transaction() as db:
        counts = [
            db.scalar(select(func.count()).select_from(table))
            for table in (Order, Command, AuditEntry)
        ]
        row = recovery_of(db)
        return [*counts, row.phase, row.number, row.compares_at]


def test_a_dry_run_says_what_the_recovery_then_finds(line: ErpLine, operator: Typist) -> None:
    line.work()
    certificate = line.certificate_for("host0.nordhafen.example")
    send_all(line, [a_successor_of(CommandType.RENEW, certificate)])
    other = line.certificate_for("host2.nordhafen.example")
    send_all(line, [a_successor_of(CommandType.REISSUE, other, reason="key moved")])
    line.place_at_scm("stranger.nordhafen.example")
    spent = line.money_spent()

    ahead = operator.json("recover", "--dry-run", code=WAITS)["dry_run"]

    assert (ahead["adopted"], ahead["renewals"]) == (1, 1)
    assert ahead["looked_up"] == 1
    assert [each["common_name"] for each in ahead["named"]["adopted"]] == [
        "host1.nordhafen.example"
    ]
    assert [each["common_name"] for each in ahead["named"]["looked_up"]] == [
        "host3.nordhafen.example"
    ]
    assert [each["others"] for each in ahead["accounts"]] == [1]
    assert line.money_spent() == spent
    line.moves_to(operator.database.url)
    found = line.recover().result
    assert found is not None
    for name in ("orders_found", "renewals", "reissues", "keys_lost"):
        assert found[name] == ahead[name], name


def test_a_dry_run_changes_nothing(line: ErpLine, operator: Typist) -> None:
    line.work()
    # The first use of the secret key at a database has an audit entry of its own.
    operator.types("recover", "--dry-run", code=WAITS)
    before = rows_of(operator.database)

    said = operator.types("recover", "--dry-run", code=WAITS)

    assert rows_of(operator.database) == before
    assert "host1.nordhafen.example" in said
    assert "nothing was changed" in said


def test_a_dry_run_reads_the_report_in_place_of_many_records(
    line: ErpLine, operator: Typist
) -> None:
    send_all(line, [an_order_for(number) for number in range(10, 25)])
    reports, details = line.calls(REPORT), line.calls(DETAILS)

    ahead = operator.json("recover", "--dry-run", code=WAITS)["dry_run"]

    assert ahead["adopted"] == 16
    assert line.calls(REPORT) == reports + 1
    assert line.calls(DETAILS) == details


def test_a_recovery_reads_the_report_in_place_of_many_records(line: ErpLine, copy_of: str) -> None:
    send_all(line, [an_order_for(number) for number in range(10, 25)])
    line.moves_to(copy_of)
    details = line.calls(DETAILS)

    ended = line.recover()

    assert ended.result is not None
    assert ended.result["orders_found"] == 16
    assert line.calls(REPORT) == 1
    # Those that are pending in the restored database are polled.
    assert line.calls(DETAILS) - details <= 2


def test_the_status_waits_until_the_recovery_has_ended(line: ErpLine, operator: Typist) -> None:
    line.work()

    document = operator.json("recover", "--status", code=WAITS)
    line.moves_to(operator.database.url)
    line.recover()
    ended = operator.json("recover", "--status", code=DONE)

    assert (document["recovering"], document["phase"], document["number"]) == (True, "noticed", 1)
    assert "the database's number (oid) was" in document["why"]
    assert (ended["recovering"], ended["phase"]) == (False, "settled")
    assert ended["result"]["orders_found"] == 1
    assert ended["keys_lost"] == 1
    assert [each["status"] for each in ended["imports"]] == ["done"]
    said = operator.types("recover", "--status")
    assert "certline certificate list --key-lost --json | jq -r '.[].id' | xargs" in said
    assert [set(each) >= {"id"} for each in operator.json("certificate", "list", "--key-lost")] == [
        True
    ]


def test_accepting_lets_orders_go_on_and_has_nothing_to_do_after_that(operator: Typist) -> None:
    operator.types("recover", "--status", code=WAITS)

    document = operator.json("recover", "--accept", "--yes", code=DONE)
    again = operator.types("recover", "--accept", "--yes", code=NOTHING)

    assert document["recovering"] is False
    assert document["result"] == {"accepted": True}
    assert "nothing to accept" in again


def test_accepting_ends_the_wait_for_a_relay(operator: Typist) -> None:
    operator.types("recover", "--accept", "--yes", code=DONE)
    with operator.database.transaction() as db:  # as after a start of Postgres
        db.execute(update(Recovery).values(compared_start=func.now() - timedelta(days=1)))
    waits = operator.types("recover", "--status", code=DONE)
    assert operator.json("recover", "--status", code=DONE)["compared"] is False

    document = operator.json("recover", "--accept", "--yes", code=DONE)

    assert "nothing is ordered until a relay has compared" in waits
    assert (document["recovering"], document["compared"]) == (False, True)
    operator.types("recover", "--accept", "--yes", code=NOTHING)
    with operator.database.transaction() as db:
        last = db.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert last is not None
    assert last.type == "recovery.accepted"


def test_accepting_is_confirmed_first(operator: Typist) -> None:
    operator.types("recover", "--accept", code=WRONG_USE)

    operator.types("recover", "--status", code=WAITS)


def test_a_recovery_that_is_begun_by_hand_waits(line: ErpLine, operator: Typist) -> None:
    line.moves_to(operator.database.url)
    line.recover()
    with operator.database.transaction() as db:
        known = db.scalars(select(func.max(AuditEntry.at))).one()

    document = operator.json("recover", code=WAITS)

    assert (document["phase"], document["number"]) == ("noticed", 2)
    assert document["why"] == "requested by a person"
    assert datetime.fromisoformat(document["known_until"]) == known.replace(microsecond=0)


@pytest.mark.parametrize(
    "words", [("--status", "--accept"), ("--dry-run", "--status"), ("--dry-run", "--accept")]
)
def test_only_one_of_the_options_is_taken(operator: Typist, words: tuple[str, str]) -> None:
    assert "exclude each other" in operator.types("recover", *words, code=WRONG_USE)


def test_a_dry_run_says_that_scm_refuses_the_login(line: ErpLine, operator: Typist) -> None:
    fault = {"method": "GET", "path": ".*", "times": 1, "kind": "status", "status": 401}
    requests.post(f"{line.simulator.door}/faults", json=[fault], timeout=10).raise_for_status()

    said = operator.types("recover", "--dry-run", code=FAILED)

    assert "SCM cannot be read" in said
    assert "certline account list" in said


def test_a_dry_run_says_that_scm_does_not_answer(
    line: ErpLine, operator: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certline.workers.importing.recovery_preview.TRIES", 0)
    fault = {"method": "GET", "path": ".*", "times": None, "kind": "status", "status": 503}
    requests.post(f"{line.simulator.door}/faults", json=[fault], timeout=10).raise_for_status()

    said = operator.types("recover", "--dry-run", code=NO_SERVER)

    assert "SCM cannot be read now" in said
