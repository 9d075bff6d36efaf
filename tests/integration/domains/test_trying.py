"""Tests of `certline dns test`: a worker writes a record, looks for it, and removes it."""

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from certline.cli.waiting.state import WaitView, describe
from certline.cli.waiting.wait import CommandWatch
from certline.models import CommandStatus
from certline.producers.domains.providers import request_test
from tests.integration.domains.conftest import WHO, ZONE, Desk
from tests.servers.dns import DnsServer
from tests.servers.name_zones import PRIMARY, SECONDARY

NAME = f"_certline-test.{ZONE}"


@pytest.fixture
def words(dns_server: DnsServer) -> list[str]:
    """Return the options of a provider that changes the zone at its primary."""
    port = dns_server.port
    servers = [f"--nameserver={at}:{port}" for at in (PRIMARY, SECONDARY)]
    return ["--server", f"{PRIMARY}:{port}", *servers]


@pytest.fixture
def key(dns_server: DnsServer) -> str:
    """Return the key that may change the zone."""
    return f"{dns_server.tsig_name}:{dns_server.tsig_secret}"


def test_a_record_is_written_seen_at_all_servers_and_removed(
    desk: Desk, dns_server: DnsServer, words: list[str], key: str
) -> None:
    desk.add("rfc2136", *words, credentials=key)

    done = desk.until_it_ends(desk.test())

    assert done.status is CommandStatus.DONE
    wrote, seen, removed = (done.result or {})["steps"]
    assert wrote == f"wrote {NAME} TXT 'certline-test={done.id}'"
    assert seen.endswith(f"is seen at {PRIMARY}:{dns_server.port}, {SECONDARY}:{dns_server.port}")
    assert removed == "removed it"
    assert dns_server.read(NAME, "TXT") == []
    shown = json.dumps(desk.typist.json("command", "show", done.id))
    assert dns_server.tsig_secret not in shown


def test_another_name_in_the_zones_may_be_tried(desk: Desk, words: list[str], key: str) -> None:
    desk.add("rfc2136", *words, credentials=key)

    done = desk.until_it_ends(desk.test(domain=f"WWW.{ZONE}."))

    assert f"wrote _certline-test.www.{ZONE} TXT" in str(done.result)
    said = desk.typist.types("dns", "test", "ours", "--domain", "other.test", code=2)
    assert "lies in none of ours's zones: example.test" in " ".join(said.split())


def test_a_record_that_some_servers_lack_is_looked_for_again_and_removed_in_the_end(
    desk: Desk, dns_server: DnsServer, key: str
) -> None:
    servers = [f"--nameserver={at}:{dns_server.port}" for at in (PRIMARY, SECONDARY)]
    zone = ["--zones", "late.test", "--server", f"{PRIMARY}:{dns_server.port}", *servers]
    desk.add("rfc2136", *zone, credentials=key)
    name = "_certline-test.late.test"

    waiting = desk.test(domain="late.test")

    assert waiting.status is CommandStatus.QUEUED
    assert "no such name" in str(waiting.error)
    assert dns_server.read(name, "TXT") == [f"certline-test={waiting.id}"]
    failed = desk.go_on(waiting, late=True)
    assert failed.status is CommandStatus.FAILED
    assert "is not seen after 60 s, and was removed: expected TXT" in str(failed.error)
    assert dns_server.read(name, "TXT") == []


def test_a_test_that_was_interrupted_goes_on_with_its_own_record(
    desk: Desk, dns_server: DnsServer, words: list[str], key: str
) -> None:
    desk.add("rfc2136", *words, credentials=key)
    command = request_test(desk.database, "ours", who=WHO)
    # As a worker leaves it that dies after it has written the record.
    dns_server.add(NAME, "TXT", f"certline-test={command.id}", "of somebody else")

    assert desk.until_it_ends(command).status is CommandStatus.DONE

    assert dns_server.read(NAME, "TXT") == ["of somebody else"]


def test_a_key_that_is_wrong_fails_at_once(
    desk: Desk, dns_server: DnsServer, words: list[str]
) -> None:
    wrong = "c29tZSBvdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMhISE="
    desk.add("rfc2136", *words, credentials=f"{dns_server.tsig_name}:{wrong}")

    failed = desk.test()

    assert failed.status is CommandStatus.FAILED
    assert "the secret is not that of the TSIG key" in str(failed.error)
    assert wrong not in str(failed.error)


def test_a_server_that_is_away_is_tried_for_some_seconds_and_that_is_said_at_once(
    desk: Desk,
) -> None:
    desk.add("rfc2136", "--server", "127.0.0.1:1", credentials="certline:c2VjcmV0")

    waiting = desk.test()

    assert waiting.status is CommandStatus.QUEUED
    why = "the name server 127.0.0.1:1 cannot be reached (Connection refused)"
    assert describe(WaitView(waiting, None, None)) == f"tried, and tried again: {why}"
    ended = desk.go_on(waiting, since=timedelta(seconds=20))
    assert (ended.status, ended.error) == (CommandStatus.FAILED, f"ours: {why}")


def test_what_a_program_prints_is_kept_but_is_not_the_error(desk: Desk, tmp_path: Path) -> None:
    program = tmp_path / "dns"
    program.write_text("#!/bin/sh\necho 'my token is hunter2'\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    desk.add("command", "--command", str(program))

    failed = desk.test()

    assert failed.status is CommandStatus.FAILED
    assert "ended with exit code 3 to add _certline-test.example.test" in str(failed.error)
    assert "hunter2" not in str(failed.error)
    assert f"What it printed: certline command show {failed.id}" in str(failed.error)
    assert failed.result == {"output": "my token is hunter2\n"}


def test_the_command_of_a_test_is_not_printed_to_people(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add("folder", "--folder", "/nonexistent")
    monkeypatch.setattr(CommandWatch, "wait", lambda *_: 0)

    desk.typist.types("dns", "test", "ours")

    assert "dns_test" not in desk.typist.out


def test_a_person_is_not_tried(desk: Desk) -> None:
    desk.add("manual")

    assert "a person writes there" in desk.typist.types("dns", "test", "ours", code=4)


def test_a_provider_that_was_removed_meanwhile_is_said(desk: Desk) -> None:
    desk.add("folder", "--folder", "/nonexistent")
    command = request_test(desk.database, "ours", who=WHO)
    desk.typist.types("dns", "remove", "ours")

    assert desk.go_on(command).error == "the provider was removed"
