"""Acceptance tests of cancelling and deleting."""

from typing import Any

import pytest

from tests.acceptance.terminal import Terminal
from tests.acceptance.test_cli_order import set_up, terminal, wanted

pytestmark = pytest.mark.slow

__all__ = ["terminal"]  # a fixture: a terminal beside `certline up`

WAIT = ("--wait", "--timeout", "30")


def test_an_order_that_waits_for_approval_is_cancelled_and_then_deleted(
    terminal: Terminal, simulator: Any
) -> None:
    set_up(simulator, auto_approve=False)
    ordered = terminal.json(*wanted())
    assert terminal.json("command", "wait", ordered["id"], "--timeout", "30", code=3)
    order = ordered["subject"]

    cancelled = terminal.json("order", "cancel", order, "--comments", "not needed", *WAIT)

    assert (cancelled["type"], cancelled["status"]) == ("cancel", "done")
    assert cancelled["result"]["said"] == "declined at SCM: not needed"
    assert terminal.json("order", "show", order)["status"] == "cancelled"
    deleted = terminal.people("order", "delete", order, "--yes", *WAIT)
    assert "1 private key" in deleted.stdout
    assert "SCM keeps its record" in deleted.stderr
    terminal.people("order", "show", order, code=1)


def test_a_deleted_certificate_frees_its_licence(terminal: Terminal) -> None:
    assert terminal.json(*wanted(), *WAIT)["status"] == "done"
    name = "www.nordhafen.example"
    renewal = terminal.json("certificate", "renew", name)
    terminal.json("command", "wait", renewal["id"], "--timeout", "30")

    deleted = terminal.json("certificate", "delete", name, "--comments", "moved", "--yes", *WAIT)

    assert deleted["status"] == "done"
    assert (len(deleted["result"]["certificates"]), deleted["result"]["keys_destroyed"]) == (2, 2)
    assert terminal.json("certificate", "list") == []
    assert terminal.json("license", "show")["used"] == 0
