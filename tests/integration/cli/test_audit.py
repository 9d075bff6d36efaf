"""CLI tests of the audit log: listing it, and verifying that it was not altered."""

import csv
import io
import os
import pwd
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from certline.models import AuditEntry
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.settings import settings
from tests.integration.cli.conftest import Typist

KEYS = ["id", "at", "who", "claimed", "what", "subject", "why", "command_id", "data"]


@pytest.fixture
def log(typist: Typist) -> Typist:
    """Insert four entries an hour apart; the last is current."""
    now = datetime.now(UTC)
    told = [
        ("order.placed", "01J", "ida"),
        ("order.stored", "01J", "certline"),
        ("certificate.exported", "01K", "ida"),
        ("certificate.password_read", "01K", "amelie"),
    ]
    with typist.database.transaction() as db:
        for hours, (kind, subject, who) in enumerate(reversed(told)):
            at = now - timedelta(hours=hours, seconds=1)
            db.add(AuditEntry(type=kind, subject=subject, who=who, at=at, why="why", data={"a": 1}))
            db.flush()
    return typist


def whats(log: Typist, *words: str) -> list[str]:
    return [each["what"] for each in log.json("audit", "list", *words)]


def test_the_log_says_who_did_what_and_when(log: Typist) -> None:
    found = log.json("audit", "list")

    assert [list(each) for each in found] == [KEYS] * 4
    newest = found[0]
    assert (newest["who"], newest["what"], newest["subject"]) == (
        "amelie",
        "certificate.password_read",
        "01K",
    )
    assert (newest["why"], newest["command_id"], newest["data"]) == ("why", None, {"a": 1})
    read = log.types("audit", "list")
    assert all(word in read for word in ("amelie", "certificate.password_read", "01K"))


def test_the_log_is_narrowed_by_who_what_when_and_about_what(log: Typist) -> None:
    ago = datetime.now(UTC) - timedelta(minutes=90)
    then = f"{ago:%Y-%m-%dT%H:%M:%S}"

    assert whats(log, "--who", "ida") == ["certificate.exported", "order.placed"]
    assert whats(log, "--what", "order.stored") == ["order.stored"]
    assert whats(log, "--what", "certificate.*", "--what", "order.placed") == [
        "certificate.password_read",
        "certificate.exported",
        "order.placed",
    ]
    assert whats(log, "--subject", "01J") == ["order.stored", "order.placed"]
    assert whats(log, "--since", then) == ["certificate.password_read", "certificate.exported"]
    assert whats(log, "--until", f"{then}Z") == ["order.stored", "order.placed"]
    assert whats(log, "--until", "2020-01-01") == []
    assert "no such entry" in log.types("audit", "list", "--who", "nobody")


def test_the_log_is_read_in_pages_and_as_csv(log: Typist) -> None:
    first = log.json("audit", "list", "--limit", "3")
    rest = log.json("audit", "list", "--after", str(first[-1]["id"]))
    log.types("audit", "list", "--csv", "--reverse")

    assert [each["what"] for each in rest] == ["order.placed"]
    oldest = next(csv.DictReader(io.StringIO(log.out)))
    assert oldest["what"] == "order.placed"
    assert log.json("audit", "list", "--after", "9" * 30, code=1)["error"]["exit_code"] == 1


def test_a_time_that_is_none_is_refused(log: Typist) -> None:
    refused = log.json("audit", "list", "--since", "yesterday", code=2)["error"]

    assert "'yesterday' is not a date or time" in refused["message"]


def test_a_whole_log_is_proven_also_by_an_end_that_was_kept(log: Typist) -> None:
    before = log.json("audit", "verify")
    with log.database.transaction() as db:
        record(db, "order.placed", "01L", who=Identity("os:ida"))

    after = log.json("audit", "verify", "--head", before["head"])

    assert (before["whole"], before["entries"], before["breaks"]) == (True, 4, [])
    assert (after["whole"], after["entries"]) == (True, 5)
    assert after["head"].startswith("5:")
    said = log.types("audit", "verify")
    assert "The log is intact: 5 entries." in said
    assert after["head"] in said


def test_what_was_done_to_the_log_is_named_and_ends_with_1(log: Typist) -> None:
    (entry,) = log.json("audit", "list", "--what", "certificate.exported")
    with log.database.transaction() as db:
        db.execute(text("SET LOCAL session_replication_role = replica"))
        db.execute(text("DELETE FROM event WHERE id = :id"), {"id": entry["id"]})
        db.execute(text("UPDATE event SET who = 'eve' WHERE who = 'amelie'"))

    found = log.json("audit", "verify", code=1)

    assert not found["whole"]
    assert sorted(each["kind"] for each in found["breaks"]) == ["changed", "removed"]
    assert entry["id"] in [each["event_id"] for each in found["breaks"]]
    said = log.types("audit", "verify", code=1)
    assert "was altered in 2 places" in said
    assert f"(event {entry['id']}) was removed" in said


def test_an_end_that_is_not_in_the_log_is_told_and_nonsense_is_refused(log: Typist) -> None:
    other = log.json("audit", "verify", "--head", f"4:{'ab' * 32}", code=1)
    nonsense = log.json("audit", "verify", "--head", "four", code=2)

    assert [each["kind"] for each in other["breaks"]] == ["rewritten"]
    assert "--head: 'four' is not a number of entries and a hash" in nonsense["error"]["message"]


def test_who_a_user_claims_to_be_is_recorded_as_a_claim(
    typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTLINE_WHO", "ida\n\x1b[31m")
    settings.cache_clear()
    typist.types("license", "set", "7")

    [entry] = [each for each in typist.json("audit", "list") if "license" in each["what"]]

    assert entry["who"] == f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    assert entry["claimed"] == "ida[31m"
    assert f"{entry['who']} (claimed: ida[31m)" in typist.types("audit", "list")
