"""A terminal for tests: `certline` run as a separate process, as a user or a script types it."""

import json
import os
import subprocess
from typing import Any

from cryptography.fernet import Fernet

from tests.nursery import nursery

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

    def json(self, *words: str, given: str = "", code: int = 0) -> Any:
        """Run a command with `--json` and return the document it prints."""
        return json.loads(self.people(*words, "--json", given=given, code=code).stdout)
