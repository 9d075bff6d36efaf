"""Acceptance tests of ordering: validated, placed, waited for, exported."""

import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.acceptance.secrecy import PASSWORD
from tests.acceptance.terminal import Terminal
from tests.servers import Process, until

# Keys of the documented JSON contract, in its order.
ORDER_KEYS = """
    id account scm_id kind status scm_status common_name sans organization profile term
    key_algorithm key_size keystore_type comments external_requesters certificate_id requested_by
    created_at updated_at error
"""
CERTIFICATE_KEYS = """
    id order_id line_id scm_id status common_name sans serial_number sha256_fingerprint issuer
    not_before not_after key_algorithm key_size has_private_key auto_renew renews_at supersedes
    other_names
"""
COMMAND_KEYS = """
    id type status subject requested_by source attempts created_at started_at finished_at result
    error trace_id
"""


@pytest.fixture
def terminal(database_url: str, simulator: Any) -> Iterator[Terminal]:
    """Yield a terminal beside `certline up` in another terminal, with a synced account."""
    with beside_a_line(database_url, simulator) as terminal:
        yield terminal


@pytest.fixture
def hasty_terminal(database_url: str, simulator: Any) -> Iterator[Terminal]:
    """Yield the same as `terminal`, with a settle time of one second."""
    with beside_a_line(database_url, simulator, settle_seconds="1") as terminal:
        yield terminal


@contextmanager
def beside_a_line(database_url: str, simulator: Any, **variables: str) -> Iterator[Terminal]:
    terminal = Terminal(database_url, poll_seconds="0.2", **variables)
    set_up(simulator, issue_after_ms=100)
    with Process([sys.executable, "-P", "-m", "certline", "up"], terminal.environment) as up:
        words = ("--url", simulator.url, "--customer-uri", "demo", "--login", "admin")
        terminal.json("account", "add", "hafen", *words, given=f"{PASSWORD}\n")
        assert terminal.json("sync", "--wait", "--timeout", "30")["status"] == "done", up.output
        yield terminal


def set_up(simulator: Any, **settings: object) -> None:
    requests.post(f"{simulator.door}/settings", json=settings, timeout=30).raise_for_status()


def wanted(**changes: str) -> list[str]:
    """Return the words of an order that SCM would accept, apart from the changes."""
    options = {
        "common-name": "www.nordhafen.example",
        "organization": "Nordhafen University",
        "profile": "OV Multi-Domain SSL",
        "term": "90",
        "key-algorithm": "EC",
    }
    options |= {name.replace("_", "-"): value for name, value in changes.items()}
    return ["order", "create", *(f"--{name}={value}" for name, value in options.items())]


def test_from_an_order_to_a_keystore_that_opens(
    terminal: Terminal, tmp_path: Path, simulator: Any
) -> None:
    ended = terminal.json(*wanted(), "--san", "nordhafen.example", "--wait", "--timeout", "30")

    assert list(ended) == COMMAND_KEYS.split()
    assert (ended["status"], ended["result"]["order_status"]) == ("done", "stored")
    order = terminal.json("order", "show", f"scm:{ended['result']['scm_id']}")
    assert list(order) == ORDER_KEYS.split()
    assert (order["id"], order["key_size"]) == (ended["subject"], "P-256")
    assert terminal.json("order", "list", "--status", "stored") == [order]
    assert order["created_at"].endswith("Z")

    certificate = terminal.json("certificate", "show", "www.nordhafen.example")
    of_show = ["not_renewed", "not_renewed_at"]
    assert list(certificate) == CERTIFICATE_KEYS.split() + of_show
    assert [certificate.pop(name) for name in of_show] == [None, None]
    assert terminal.json("certificate", "list", "--expires-within", "91") == [certificate]
    assert terminal.json("certificate", "list", "--expires-within", "1") == []
    target = tmp_path / "www.p12"
    terminal.json("certificate", "export", certificate["serial_number"], "--output", str(target))
    terminal.people("certificate", "export", certificate["id"], "--output", str(target), code=1)
    password = terminal.json("certificate", "password", certificate["id"])["password"]
    opened = pkcs12.load_pkcs12(target.read_bytes(), password.encode())
    assert opened.key is not None
    assert opened.cert is not None
    assert opened.cert.certificate.public_key() == opened.key.public_key()
    assert target.stat().st_mode & 0o777 == 0o600

    bundle = terminal.people(
        "certificate", "export", order["certificate_id"], "--output=-", "--format=pem"
    )
    assert bundle.stdout.startswith("-----BEGIN PRIVATE KEY-----")
    shown = terminal.people("order", "show", order["id"]).stdout
    assert "order.stored" in shown
    assert terminal.json("order", "poll", "--all", code=4) == []
    assert terminal.json("doctor")["ok"]
    assert len(requests.get(f"{simulator.door}/orders", timeout=30).json()) == 1


@pytest.mark.slow
def test_the_same_command_id_is_one_order(terminal: Terminal) -> None:
    command_id = str(uuid.uuid4())

    first = terminal.json(*wanted(), "--command-id", command_id)
    second = terminal.json(*wanted(), "--command-id", command_id)
    other = terminal.json(*wanted(term="199"), "--command-id", command_id, code=1)

    assert first["id"] == second["id"] == command_id
    assert first["subject"] == second["subject"]
    assert "already used" in other["error"]["message"]


@pytest.mark.slow
def test_the_same_intent_is_one_order_unless_a_second_is_wanted(
    terminal: Terminal, simulator: Any
) -> None:
    set_up(simulator, auto_approve=False)
    first = terminal.json(*wanted())

    told = terminal.people(*wanted(san="www.nordhafen.example"), code=4)
    same = terminal.json(*wanted(), code=4)
    second = terminal.json(*wanted(), "--again")

    assert f"already ordered as {first['subject']}" in told.stderr
    assert "--again" in told.stderr
    assert same["subject"] == first["subject"]
    assert (same["status"], same["result"]["already_ordered"]) == ("done", True)
    assert second["subject"] != first["subject"]
    assert len(terminal.json("order", "list")) == 2


@pytest.mark.slow
def test_a_person_decides_what_no_rule_can(hasty_terminal: Terminal, simulator: Any) -> None:
    terminal = hasty_terminal
    set_up(simulator, auto_approve=False)
    fault = {"method": "POST", "path": ".*/enroll", "times": 1, "kind": "drop_after"}
    requests.post(f"{simulator.door}/faults", json=[fault], timeout=30).raise_for_status()
    # A comment of this length leaves no room for our reference.
    command = terminal.json(*wanted(comments="x" * 1010), "--wait", "--timeout", "50", code=3)
    order = command["subject"]
    (record,) = requests.get(f"{simulator.door}/orders", timeout=30).json()

    shown = terminal.people("order", "resolve", order, code=3).stdout
    careful = terminal.people("order", "resolve", order, "--resend", code=2).stderr
    requests.post(f"{simulator.door}/orders/{record['sslId']}/approve", timeout=30)
    adopted = terminal.json("order", "resolve", order, "--adopt", str(record["sslId"]))
    again = terminal.json("order", "resolve", order, "--reject", code=2)

    assert str(record["sslId"]) in shown
    assert "--adopt SSLID" in shown
    assert "may make a second order" in careful
    assert (adopted["status"], adopted["scm_id"]) == ("pending", record["sslId"])
    assert "nothing to decide" in again["error"]["message"]
    assert terminal.json("command", "wait", command["id"], "--timeout", "50")["status"] == "done"


@pytest.mark.slow
def test_a_key_that_nobody_named_is_one_that_the_profile_allows(terminal: Terminal) -> None:
    unnamed = [word for word in wanted(profile="OV SSL EC") if "key" not in word]

    command = terminal.json(*unnamed, "--wait", "--timeout", "30")

    order = terminal.json("order", "show", command["subject"])
    assert (order["key_algorithm"], order["key_size"]) == ("EC", "P-256")


@pytest.mark.slow
def test_a_wrong_order_is_refused_with_what_would_be_right(terminal: Terminal) -> None:
    for changes, told in (
        ({"profile": "OV Multi-Domain"}, "--profile: 'OV Multi-Domain' is not known; did you mean"),
        ({"organization": "Nordhafen Univ"}, "did you mean 'Nordhafen University'"),
        (
            {"term": "91"},
            "--term: 91 days is not allowed by 'OV Multi-Domain SSL'; allowed: 90, 199",
        ),
        ({"comments": "x" * 1025}, "--comments: has 1025 characters, at most 1024 are allowed"),
        (
            {"profile": "OV SSL RSA"},
            "--key-algorithm: 'OV SSL RSA' does not allow EC; allowed: RSA",
        ),
        ({"common_name": "www.example.org"}, "www.example.org"),
    ):
        error = terminal.json(*wanted(**changes), code=2)["error"]
        assert told in "\n".join(error["problems"])

    assert terminal.json(*wanted(), "--dry-run")["ok"]
    assert terminal.json("order", "list") == []


@pytest.mark.slow
def test_without_a_licence_it_is_held_until_there_is_room(terminal: Terminal) -> None:
    assert terminal.json("license", "set", "0")["capacity"] == 0

    held = terminal.json(*wanted(), "--wait", "--timeout", "30", code=3)

    assert held["status"] == "held"
    licence = terminal.json("license", "show")
    assert (licence["capacity"], licence["used"], licence["held"], licence["available"]) == (
        0,
        0,
        1,
        0,
    )
    assert (licence["in_flight"], licence["new_orders_per_day"]) == (0, 1.0)
    assert licence["runs_out_at"] is not None
    assert "runs out" in terminal.people("license", "show").stdout
    assert "certline license set N" in terminal.people("order", "show", held["subject"]).stdout
    terminal.json("license", "set", "1")
    assert terminal.json("command", "wait", held["id"], "--timeout", "30")["status"] == "done"
    assert terminal.json("license", "show")["used"] == 1


@pytest.mark.slow
def test_an_order_that_needs_an_approval_says_so(terminal: Terminal, simulator: Any) -> None:
    set_up(simulator, auto_approve=False)

    done = terminal.people(*wanted(), "--wait", "--timeout", "30", code=3)

    assert "waits for an approval in SCM" in done.stderr
    number = requests.get(f"{simulator.door}/orders", timeout=30).json()[0]["sslId"]
    polled = terminal.json("order", "poll", f"scm:{number}", "--wait", "--timeout", "30", code=3)
    assert [poll["type"] for poll in polled] == ["poll"]
    requests.post(f"{simulator.door}/orders/{number}/approve", timeout=30).raise_for_status()
    until(lambda: terminal.json("order", "show", f"scm:{number}")["status"] == "stored", 30)


@pytest.mark.slow
def test_a_wait_that_takes_too_long_ends_with_5_and_the_order_goes_on(
    terminal: Terminal, simulator: Any
) -> None:
    set_up(simulator, issue_after_ms=2_000)

    done = terminal.people("--json", *wanted(), "--wait", "--timeout", "0.5", code=5)

    command = json.loads(done.stdout)
    assert f"certline command wait {command['id']}" in done.stderr
    assert terminal.json("command", "wait", command["id"])["status"] == "done"


@pytest.mark.slow
def test_an_unknown_outcome_is_looked_up_while_one_waits(
    hasty_terminal: Terminal, simulator: Any
) -> None:
    fault = {"method": "POST", "path": ".*/enroll", "times": 1, "kind": "drop_after"}
    requests.post(f"{simulator.door}/faults", json=[fault], timeout=30).raise_for_status()

    done = hasty_terminal.people(*wanted(), "--wait", "--timeout", "50")

    assert "the outcome is unknown" in done.stderr
    assert len(requests.get(f"{simulator.door}/orders", timeout=30).json()) == 1


@pytest.mark.slow
def test_an_unknown_outcome_is_shown_as_one(terminal: Terminal, simulator: Any) -> None:
    fault = {"method": "POST", "path": ".*/enroll", "times": 1, "kind": "drop_after"}
    requests.post(f"{simulator.door}/faults", json=[fault], timeout=30).raise_for_status()

    command = terminal.json(*wanted(), "--wait", "--timeout", "3", code=5)

    shown = terminal.people("order", "show", command["subject"]).stdout
    assert "The outcome is unknown" in shown
    assert "sends it again only if SCM certainly does not have it" in shown
    retried = terminal.json("command", "retry", command["id"], code=1)
    assert "is not sent again" in retried["error"]["message"]
    assert terminal.json("account", "remove", "hafen", "--yes", code=1)["error"]["exit_code"] == 1
