"""Acceptance tests of accounts: added, verified and removed by a user, against the simulator."""

from typing import Any

import pytest
import requests

from tests.acceptance.secrecy import PASSWORD
from tests.acceptance.terminal import Terminal
from tests.servers.session import free_port


@pytest.fixture
def terminal(database_url: str) -> Terminal:
    """Return a terminal without any account yet."""
    return Terminal(database_url)


def add(terminal: Terminal, url: str, *, given: str = f"{PASSWORD}\n", code: int = 0) -> Any:
    words = ("--url", url, "--customer-uri", "demo", "--login", "admin")
    return terminal.json("account", "add", "hafen", *words, given=given, code=code)


def calls(simulator: Any) -> int:
    counts: dict[str, int] = requests.get(f"{simulator.door}/calls", timeout=30).json()
    return sum(counts.values())


def test_an_account_is_saved_once_scm_has_taken_its_login(
    terminal: Terminal, simulator: Any
) -> None:
    added = add(terminal, simulator.url)

    assert added["status"] == "active"
    assert added["verified_at"] is not None
    assert (added["roles"], added["missing"], added["unknown"]) == (["MRAO"], [], [])
    shown = terminal.people("account", "show", "hafen").stdout
    assert simulator.url in shown
    assert PASSWORD not in shown

    again = add(terminal, simulator.url, code=1)
    assert "already exists" in again["error"]["message"]


def test_a_wrong_password_saves_nothing_and_is_tried_once(
    terminal: Terminal, simulator: Any
) -> None:
    refused = add(terminal, simulator.url, given="wrong-one\n", code=1)

    assert "Nothing was saved" in refused["error"]["message"]
    assert "wrong-one" not in str(refused)
    assert calls(simulator) == 1
    assert terminal.json("account", "list") == []


def test_an_scm_that_does_not_answer_ends_with_6(terminal: Terminal) -> None:
    refused = add(terminal, f"http://127.0.0.1:{free_port()}/api", code=6)

    assert "does not answer" in refused["error"]["message"]
    assert terminal.json("account", "list") == []


def test_a_refused_login_suspends_the_account_until_another_password_works(
    terminal: Terminal, simulator: Any
) -> None:
    words = ("--url", simulator.url, "--customer-uri", "demo", "--login", "admin", "--no-verify")
    terminal.json("account", "add", "hafen", *words, given="wrong-one\n")

    refused = terminal.json("account", "verify", "hafen", code=1)
    assert "is suspended" in refused["error"]["message"]
    assert terminal.json("account", "show", "hafen")["status"] == "suspended"
    assert terminal.json("sync", "--account", "hafen", code=1)["error"]["exit_code"] == 1
    assert calls(simulator) == 1

    verified = terminal.json("account", "verify", "hafen", "--new-password", given=f"{PASSWORD}\n")
    assert verified["status"] == "active"
    assert terminal.json("account", "verify", "hafen")["status"] == "active"


def test_an_unused_account_can_be_removed(terminal: Terminal, simulator: Any) -> None:
    add(terminal, simulator.url)

    terminal.json("account", "remove", "hafen", "--yes")

    assert terminal.json("account", "list") == []
    unknown = terminal.json("account", "show", "hafen", code=1)
    assert "known accounts: none yet" in unknown["error"]["message"]
