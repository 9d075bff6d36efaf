"""A terminal for tests: `certline` run as a separate process, as a user or a script types it."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from typing import Any

from cryptography.fernet import Fernet

from tests.support.forkserver import nursery

PATIENCE = 60


class Terminal:
    """The environment of one user, and the commands typed in it."""

    def __init__(self, database_url: str, **variables: str) -> None:
        """Set the environment. `variables` are further `CERTLINE_*` settings, named without the prefix."""
        self.secret_key = Fernet.generate_key().decode()
        # The simulator needs no rate limit.
        rates = {"rate_read": "1000", "rate_order": "1000"}
        ours = {"database_url": database_url, "secret_key": self.secret_key, **rates, **variables}
        self.environment = os.environ | {
            f"CERTLINE_{name.upper()}": value for name, value in ours.items()
        }

    def people(
        self, *words: str, given: str = "", code: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command and return its human-readable output; fail unless it ends with the exit code."""
        done = nursery().type(words, self.environment, given=given, timeout=PATIENCE)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def on_screen(self, width: int, *words: str) -> list[str]:
        """Run a command at a pseudo-terminal of a width, and return the lines on it, without colours."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        environment = {
            name: value
            for name, value in self.environment.items()
            if name not in ("COLUMNS", "LINES", "TERM")
        }
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "certline", *words],
            env=environment | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # the end of a pseudo-terminal is an error
            while piece := os.read(ours, 65_536):
                seen += piece
        os.close(ours)
        assert process.wait(PATIENCE) == 0, seen.decode()
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode()).splitlines()

    def json(self, *words: str, given: str = "", code: int = 0) -> Any:
        """Run a command with `--json` and return the document it prints."""
        return json.loads(self.people(*words, "--json", given=given, code=code).stdout)
