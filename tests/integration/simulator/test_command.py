"""Tests of the command that runs a simulator whose CA looks for proofs."""

import re
import sys

import pytest
import requests

from tests.servers.process import Process

COMMAND = [sys.executable, "-P", "-m", "certline", "simulator", "--port", "0"]


def settings_with(*options: str) -> dict[str, object]:
    """Start the command with options, and return the simulator's settings."""
    with Process([*COMMAND, *options]) as process:
        process.wait_for("control door is", 60)
        door = re.search(r"control\s+door\s+is\s+(\S+/_sim)", process.output)
        assert door is not None, process.output
        found: dict[str, object] = requests.get(f"{door[1]}/settings", timeout=30).json()
    return found


@pytest.mark.parametrize(
    ("option", "setting"), [("--dcv-resolver", "dcv_resolver"), ("--dcv-http", "dcv_http")]
)
def test_a_server_to_look_at_switches_the_looks_on(option: str, setting: str) -> None:
    found = settings_with(option, "127.0.0.1:5353")

    assert (found[setting], found["dcv_checks"]) == ("127.0.0.1:5353", True)


def test_without_one_a_proof_counts_as_found() -> None:
    assert settings_with()["dcv_checks"] is False


def test_an_address_that_is_none_ends_the_command_with_what_is_wanted() -> None:
    with Process([*COMMAND, "--dcv-resolver", "nowhere"]) as process:
        assert process.wait(60) == 2
        assert "dcv_resolver" in process.output
        assert "HOST:PORT" in process.output
