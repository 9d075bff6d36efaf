"""Acceptance tests of the embedded Postgres: it ends with its last user, whatever ends that user."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import until

pytestmark = pytest.mark.slow

# Seconds for the server to start or to stop.
PATIENCE = 90
CERTLINE = [sys.executable, "-P", "-m", "certline"]


class Home:
    """An installation without any server of its own, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: each for name, each in os.environ.items() if not name.startswith("CERTLINE_")},
            "CERTLINE_HOME": str(folder),
            "CERTLINE_LOG": "json",
        }

    def run(self, *words: str) -> None:
        """Run a command to its end."""
        subprocess.run(
            [*CERTLINE, *words], env=self.environment, check=True, capture_output=True, timeout=120
        )

    def ask(self, *words: str) -> str:
        """Run a command, whatever its exit code is. Returns what it has written."""
        done = subprocess.run(
            [*CERTLINE, *words], env=self.environment, check=False, capture_output=True, timeout=120
        )
        return done.stdout.decode()

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [*CERTLINE, *words],
            env=self.environment,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def postgres(self) -> int | None:
        """Return the process id of the server, or None if it does not run."""
        try:
            pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """Yield an installation with its tables, whose server has stopped."""
    with tempfile.TemporaryDirectory(prefix="certline-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        home = Home(Path(folder) / "home")
        home.run("init")
        until(lambda: home.postgres() is None, PATIENCE)
        yield home


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_the_server_ends_with_up_whatever_ends_it(home: Home, number: signal.Signals) -> None:
    up = home.start("up")
    until(lambda: home.postgres() is not None, PATIENCE)
    # Its first answer: `up` has opened the database, and is about to work.
    home.run("schedule", "list")
    assert home.postgres() is not None

    os.killpg(up.pid, number)
    up.wait(60)

    until(lambda: home.postgres() is None, PATIENCE)


def test_a_command_that_was_killed_is_forgotten_by_the_next_one(home: Home) -> None:
    users = home.folder / "postgres.users"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    users.write_text(f"[{dead.pid}]")

    home.run("schedule", "list")

    until(lambda: home.postgres() is None, PATIENCE)


def test_a_folder_of_the_database_that_was_put_back_is_noticed(home: Home) -> None:
    data, copy, witness = (home.folder / name for name in ("postgres", "copy", "witness.json"))
    with up_in(home):
        until(witness.exists, PATIENCE)
    witness.unlink()
    subprocess.run(["cp", "-a", data, copy], check=True)
    with up_in(home):
        until(witness.exists, PATIENCE)  # of the same entries, or of more
        first = witness.read_bytes()
        home.run("license", "set", "77")
        until(lambda: witness.read_bytes() != first, PATIENCE)

    shutil.rmtree(data)
    copy.rename(data)
    with up_in(home):

        def noticed() -> bool:
            said = home.ask("--json", "recover", "--status")
            return "as its witness says" in str(json.loads(said)["why"])

        until(noticed, PATIENCE, every=1)


@contextmanager
def up_in(home: Home) -> Iterator[None]:
    """Run `certline up` for the length of the block, and return once its server has ended."""
    up = home.start("up", "--no-board")
    try:
        yield
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.wait(60)
        until(lambda: home.postgres() is None, PATIENCE)
