"""What an attacker tries with the commands of deploy hooks: the secret key, and the files of other users."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from cryptography.fernet import Fernet

from certline.models import Hook
from certline.models.settings import Settings
from certline.producers import postgres_watch
from certline.workers.programs.program import run_program
from certline.workers.programs.user import HookUserError, hook_user
from tests.integration import conftest as models
from tests.integration.workers import conftest as workers
from tests.integration.workers.deploying import certificates
from tests.integration.workers.succession import stored
from tests.servers import until

bench = workers.bench
database = models.database
hooked = workers.hooked
Bench = workers.Bench

KEY = "the-secret-key-of-this-line"
NOBODY = 65_534
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="becomes other users: root only")
# Root reads everything by its capabilities; without them root is to itself what any other user is.
POWERLESS = ["setpriv", "--bounding-set=-all"] if ROOT else []
# A part that holds the key in its environment, and a hook's command that looks for it at its parent.
PART = r"""
import sys
from functools import partial
from pathlib import Path
from typing import IO
from certline.workers.programs.dumpable import close_to_others
from certline.workers.programs.program import run_program
if sys.argv[1] == "closed":
    close_to_others()
steal = "head -c 40 /proc/$PPID/maps; tr '\\0' '\\n' < /proc/$PPID/environ | grep SECRET_KEY"
print(run_program(["sh", "-c", steal], {}, folder=Path("/"), timeout=60).output)
"""


def says_started(log: IO[bytes]) -> bool:
    """Read the next line of a part's log, and return True if it says that the part has started."""
    return b"started" in log.readline()


def a_part(how: str) -> str:
    """Run a part and its hook's command, and return what the command got to see."""
    done = subprocess.run(
        [*POWERLESS, sys.executable, "-c", PART, how],
        env={
            **os.environ,
            "CERTLINE_SECRET_KEY": KEY,
            "HOME": "/",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux' own")
def test_a_hooks_command_cannot_read_the_key_of_the_worker_that_started_it() -> None:
    assert KEY in a_part("open")  # what it would get otherwise

    seen = a_part("closed")

    assert KEY not in seen
    assert seen.lower().count("denied") == 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_DUMPABLE is Linux' own")
@pytest.mark.parametrize("words", [["run", "producer"], ["run", "relay"], ["up"]], ids=" ".join)
def test_no_part_can_be_read_by_processes_of_its_user(
    database_url: str, vhost: str, words: list[str]
) -> None:
    part = subprocess.Popen(
        [*POWERLESS, sys.executable, "-P", "-m", "certline", *words],
        env={
            **os.environ,
            "CERTLINE_DATABASE_URL": database_url,
            "CERTLINE_RABBITMQ_URL": vhost,
            "CERTLINE_SECRET_KEY": Fernet.generate_key().decode(),
            "CERTLINE_LOG": "json",
            "HOME": "/",
        },
        stderr=subprocess.PIPE,
    )
    try:
        assert part.stderr is not None
        until(partial(says_started, part.stderr), 120)
        read = subprocess.run(
            [*POWERLESS, "cat", f"/proc/{part.pid}/environ"],
            capture_output=True,
            check=False,
        )
    finally:
        part.terminate()
        part.communicate(timeout=120)

    assert read.returncode != 0
    assert read.stdout == b""


def test_the_process_that_stops_postgres_is_given_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", KEY)
    monkeypatch.setenv("CERTLINE_RABBITMQ_URL", f"amqp://ida:{KEY}@mq")

    assert KEY not in str(postgres_watch._environment())


@needs_root
def test_a_command_of_another_user_reads_its_files_and_nothing_of_ours(
    bench: Bench,
    hooked: Callable[..., Hook],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        settings = bench.line.settings.replace(hook_user="nobody")
        monkeypatch.setattr(bench.line, "settings", settings)
        ours = place / "ours"
        ours.write_text(KEY)
        ours.chmod(0o600)
        told = 'id -u; id -G; echo $HOME $USER; head -n 1 "$CERTLINE_KEY_FILE"'
        hooked(command=certificates.script(place, f"{told}; cat {ours} || true"), directory=None)

        stored(bench)

        result = certificates.run(bench).result or {}
        private = place / f"certline-hooks-0-{NOBODY}"
        assert private.stat().st_mode & 0o777 == 0o710

    assert result["outcome"] == "done", result
    lines = result["output"].splitlines()
    assert lines[0] == str(NOBODY)
    assert "0" not in lines[1].split()
    assert lines[2].endswith("nobody")
    assert "PRIVATE KEY" in lines[3]
    assert KEY not in result["output"]


def test_a_hook_user_that_cannot_be_used_is_named() -> None:
    with pytest.raises(HookUserError, match="there is no user 'nobody-such'"):
        hook_user("nobody-such")


def test_a_worker_without_the_right_to_become_another_user_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_711)
    monkeypatch.setattr("certline.workers.programs.user._missing", lambda: ["CAP_SETUID"])

    with pytest.raises(
        HookUserError, match="run it as root, or give it the capabilities CAP_SETUID"
    ):
        hook_user("root")


def test_the_setting_is_known() -> None:
    assert Settings(hook_user="www").hook_user == "www"
    assert run_program(["true"], {}, folder=Path("/"), timeout=60).exit_code == 0
    assert hook_user(None) is None
