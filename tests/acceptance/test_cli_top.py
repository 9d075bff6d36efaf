"""Acceptance tests of `certline top`: on a real terminal of 80 by 24, as text, and as one document."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from certline.models import Database
from tests.acceptance.terminal import PATIENCE, Terminal
from tests.support.factories import an_account, an_order

pytestmark = pytest.mark.slow

DOCUMENT_KEYS = """
    at queues queues_whole outbox scm renewals_day orders license accounts breakers parts waiting
"""
# What a terminal is told: to show its other screen, the usual one again, and to go to the first line.
ALTERNATE, BACK, HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H"


class Top:
    """`certline top` at a pseudo-terminal; `seen` is all that it has written."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "certline", "top", "--every", "0.5"],
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        self.theirs = theirs
        self.seen = ""

    def until(self, text: str, times: int = 1) -> None:
        """Read on until the screen has shown a text that many times; fails after a minute."""
        self.seen = ""
        deadline = time.monotonic() + PATIENCE
        while self.seen.count(text) < times:
            assert time.monotonic() < deadline, self.seen
            assert self.process.poll() is None, self.seen
            self._read(0.1)

    def frame(self) -> list[str]:
        """Read on, and return the lines of a whole screen, without colours."""
        self.until(HOME, times=2)
        last = self.seen.split(HOME)[1]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", last).replace("\r", "").split("\n")

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def ends(self) -> int:
        """Read until the process has ended. Returns its exit code."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.seen
            self._read(0.1)
        self._read(0.1)
        return self.process.returncode

    def close(self) -> None:
        """End the process if it runs, and the terminal."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self.theirs)
        os.close(self._ours)

    def _read(self, seconds: float) -> None:
        if select.select([self._ours], [], [], seconds)[0]:
            self.seen += os.read(self._ours, 65_536).decode(errors="replace")


@contextmanager
def top_of(terminal: Terminal, **changes: str) -> Iterator[Top]:
    hidden = ("COLUMNS", "LINES", "TERM", "NO_COLOR")
    kept = {name: value for name, value in terminal.environment.items() if name not in hidden}
    top = Top({**kept, "TERM": "xterm-256color", **changes})
    try:
        yield top
    finally:
        top.close()


@pytest.fixture
def terminal(database_url: str) -> Terminal:
    """Return a terminal of an installation with a suspended account and an order in review."""
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        an_order(db, an_account(db, name="hafen", status="suspended"), status="review")
    database.close()
    return Terminal(database_url)


def test_the_screen_refreshes_and_q_leaves_the_terminal_as_it_was(
    terminal: Terminal, database_url: str
) -> None:
    with top_of(terminal) as top:
        top.until("1 order in review")
        assert ALTERNATE in top.seen
        top.until("certline account verify hafen")
        database = Database(database_url, pool_size=1)
        with database.transaction() as db:
            an_order(db, status="review")
        database.close()
        top.until("2 orders in review")
        frame = top.frame()
        top.type("q")
        assert top.ends() == 0
        assert BACK in top.seen
        assert termios.tcgetattr(top.theirs) == top.before

    assert len(frame) <= 24
    assert [line for line in frame if len(line) > 80] == []
    assert frame[0].startswith("certline top")
    assert "every 0.5 s, q ends" in frame[0]


def test_a_signal_leaves_the_terminal_as_it_was_too(terminal: Terminal) -> None:
    with top_of(terminal, NO_COLOR="1", PYTHONIOENCODING="ascii") as top:
        top.until("1 order in review")
        assert "\x1b[31m" not in top.seen
        top.process.send_signal(signal.SIGTERM)
        assert top.ends() == 0
        assert BACK in top.seen
        assert termios.tcgetattr(top.theirs) == top.before


def test_without_a_terminal_it_prints_once(terminal: Terminal) -> None:
    said = terminal.people("top").stdout

    assert "1 order in review" in said
    assert "certline order list --status review" in said
    assert "parts     none runs" in said
    assert "\x1b" not in said


def test_the_document_has_all_of_it(terminal: Terminal) -> None:
    found = terminal.json("top")

    assert list(found) == DOCUMENT_KEYS.split()
    assert {each["status"]: each["count"] for each in found["orders"]}["review"] == 1
    assert found["queues"][0]["queue"] == "certline.order"
    assert found["accounts"][0]["status"] == "suspended"
    assert found["scm"] == {"calls_per_second": None, "errors_per_second": None}
    assert found["waiting"] == [
        {
            "kind": "account_suspended",
            "count": 1,
            "text": "1 account is suspended",
            "command": "certline account verify hafen",
        },
        {
            "kind": "order_review",
            "count": 1,
            "text": "1 order in review",
            "command": "certline order list --status review",
        },
    ]


def test_an_interval_that_is_no_number_is_refused(terminal: Terminal) -> None:
    terminal.people("top", "--every", "often", code=2)
