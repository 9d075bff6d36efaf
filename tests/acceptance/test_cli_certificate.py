"""Acceptance tests of renewing, reissuing and revoking."""

import os
import pty
import subprocess
import sys
from typing import Any

import requests

from tests.acceptance.terminal import PATIENCE, Terminal
from tests.acceptance.test_cli_order import CERTIFICATE_KEYS, terminal, wanted

__all__ = ["terminal"]  # a fixture: a terminal beside `certline up`

WAIT = ("--wait", "--timeout", "30")


def test_a_certificate_through_renewal_reissue_and_revocation(
    terminal: Terminal, simulator: Any
) -> None:
    name = "www.nordhafen.example"
    assert terminal.json(*wanted(), *WAIT)["status"] == "done"
    renewed = terminal.json("certificate", "renew", name, *WAIT)
    assert (renewed["type"], renewed["status"]) == ("renew", "done")
    words = ("--reason", "moved to another server", "--key-algorithm", "RSA")
    assert terminal.json("certificate", "reissue", name, *words, *WAIT)["status"] == "done"

    found = terminal.json("certificate", "list")
    first, second, third = in_succession(found)
    assert list(third) == CERTIFICATE_KEYS.split()
    assert [each["status"] for each in (first, second, third)] == [*["superseded"] * 2, "active"]
    assert (third["scm_id"], third["key_size"]) == (second["scm_id"], "2048")
    assert len({each["line_id"] for each in found}) == 1
    order = terminal.json("order", "show", second["order_id"])
    assert (order["kind"], order["status"]) == ("renewal", "stored")
    refused = terminal.json("certificate", "renew", first["id"], code=2)
    assert f"the newest of its line is {third['id']}" in refused["error"]["message"]

    assert "nothing was revoked" in answering("n", terminal, second["serial_number"])
    asked = answering("y", terminal, second["serial_number"])
    assert f"{name}, serial number {second['serial_number']}" in asked
    reason = ("--comments", "not needed any more", "--reason-code", "cessation-of-operation")
    revoked = terminal.json("certificate", "revoke", name, *reason, *WAIT, "--yes")
    assert revoked["result"]["certificate_status"] == "revoked"
    assert "cessation-of-operation" in terminal.people("certificate", "show", third["id"]).stdout
    at_scm = requests.get(f"{simulator.door}/orders", timeout=30).json()
    assert [each["status"] for each in at_scm] == ["Issued", "Revoked"]


def in_succession(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort certificates so that each follows the one it supersedes."""
    chain: list[dict[str, Any]] = []
    for _ in found:
        before = chain[-1]["id"] if chain else None
        chain += [each for each in found if each["supersedes"] == before]
    return chain


def answering(word: str, terminal: Terminal, certificate: str) -> str:
    """Revoke at a pseudo-terminal, reply to the prompt with `word`, and return the output."""
    ours, theirs = pty.openpty()
    words = ["certificate", "revoke", certificate, "--comments", "key leaked", *WAIT]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "certline", *words],
        env=terminal.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    os.close(theirs)
    os.write(ours, f"{word}\n".encode())
    try:
        told, _ = process.communicate(timeout=PATIENCE)
    finally:
        os.close(ours)
    assert process.returncode == (0 if word == "y" else 4), told
    return told
