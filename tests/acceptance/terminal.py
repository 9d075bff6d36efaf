"""A terminal for tests: `certline` as a process of its own, as a person or a script types it."""

import json
import os
import subprocess
from typing import Any

from cryptography.fernet import Fernet

from tests.support.forkserver import nursery

PATIENCE = 60


class Terminal:
    """The environment of one person, and what they type in it."""

    def __init__(self, database_url: str, **variables: str) -> None:
        """`variables` are further `CERTLINE_*` ones, without their prefix."""
        self.secret_key = Fernet.generate_key().decode()
        # SCM is a simulator here, which may be asked as often as one likes.
        rates = {"rate_read": "1000", "rate_order": "1000"}
        ours = {"database_url": database_url, "secret_key": self.secret_key, **rates, **variables}
        self.environment = os.environ | {
            f"CERTLINE_{name.upper()}": value for name, value in ours.items()
        }

    def people(
        self, *words: str, given: str = "", code: int = 0
    ) -> "subprocess.CompletedProcess[str]":
        """Type a command and read what people read; it must end with that exit code."""
        done = nursery().type(words, self.environment, given=given, timeout=PATIENCE)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, given: str = "", code: int = 0) -> Any:
        """Type a command and read the one document that it answers with."""
        return json.loads(self.people(*words, "--json", given=given, code=code).stdout)
