"""What an attacker tries with deploy hooks: the secret key from a hook's command, and files written elsewhere."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from certline.models import Hook
from certline.models.settings import Settings
from certline.producers import postgres_watch
from certline.workers.deploying.folder import File, Owner, clear, discard, locked_folder, show
from certline.workers.deploying.own_folder import NotOurFolderError
from certline.workers.deploying.program import run_program
from certline.workers.deploying.temporary import private_directory, tidy
from certline.workers.deploying.user import HookUserError, hook_user
from tests.integration import conftest as models
from tests.integration.workers import conftest as workers
from tests.integration.workers.deploying import certificates
from tests.integration.workers.succession import stored

bench = workers.bench
database = models.database
hooked = workers.hooked
Bench = workers.Bench

LINE, NAME = "01J0000000000000000000000A", "www.nordhafen.example"
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
from certline.workers.process.dumpable import close_to_others
from certline.workers.deploying.program import run_program
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
    from cryptography.fernet import Fernet  # noqa: PLC0415

    from tests.servers import until  # noqa: PLC0415

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


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder that a hook has nothing to do with."""
    folder = tmp_path / "precious"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "file").write_text("precious")
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return the directory of a hook."""
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o755)
    return folder


def deploy(directory: Path) -> None:
    with locked_folder(directory, LINE, NAME) as folder:
        show(folder, "4a01", [File("private-key.pem", b"key", is_secret=True)])


def everything_in(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


def test_a_line_folder_that_is_a_link_gets_no_key(directory: Path, outside: Path) -> None:
    empty = outside / "empty"
    empty.mkdir()
    (directory / NAME).symlink_to(empty)

    with pytest.raises(NotOurFolderError, match="symbolic link"):
        deploy(directory)

    assert everything_in(outside) == ["a", "a/file", "empty"]


@pytest.mark.parametrize("work", [deploy, clear], ids=["deploy", "clear"])
def test_versions_that_point_elsewhere_delete_and_write_nothing_there(
    directory: Path, outside: Path, work: Callable[..., None]
) -> None:
    deploy(directory)
    (directory / NAME / "current").unlink()
    (directory / NAME / "versions").rename(directory / "before")
    (directory / NAME / "versions").symlink_to(outside)

    if work is deploy:
        with pytest.raises(NotOurFolderError, match="versions is a symbolic link"):
            deploy(directory)
    else:
        with locked_folder(directory, LINE, NAME) as folder:
            clear(folder)

    assert everything_in(outside) == ["a", "a/file"]


def test_a_folder_that_is_swapped_for_a_link_during_a_run_gets_no_key(
    directory: Path, outside: Path
) -> None:
    with locked_folder(directory, LINE, NAME) as folder:
        (directory / NAME).rename(directory / "before")
        (directory / NAME).symlink_to(outside)
        show(folder, "4a01", [File("private-key.pem", b"key", is_secret=True)])

    assert everything_in(outside) == ["a", "a/file"]
    assert (directory / "before" / "current" / "private-key.pem").exists()


def test_links_among_the_sets_are_removed_and_not_followed(directory: Path, outside: Path) -> None:
    deploy(directory)
    (directory / NAME / "versions" / "old").symlink_to(outside)
    (directory / NAME / ".current.x").symlink_to(outside)

    deploy(directory)

    assert everything_in(outside) == ["a", "a/file"]
    assert not (directory / NAME / "versions" / "old").is_symlink()


def test_a_directory_that_is_a_link_is_refused(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(directory)

    with pytest.raises(NotOurFolderError, match="name the folder itself"):
        deploy(tmp_path / "link")


@pytest.mark.parametrize("which", [".", NAME, f"{NAME}/versions"])
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_folder_that_others_can_change_gets_no_key(
    directory: Path, which: str, mode: int
) -> None:
    deploy(directory)
    (directory / which).chmod(mode)

    with pytest.raises(NotOurFolderError, match="chmod go-w"):
        deploy(directory)


@needs_root
@pytest.mark.parametrize("which", [".", NAME, f"{NAME}/versions"])
def test_a_folder_of_another_user_gets_no_key(directory: Path, which: str) -> None:
    deploy(directory)
    os.chown(directory / which, NOBODY, NOBODY)

    with pytest.raises(NotOurFolderError, match="belongs to another user"):
        deploy(directory)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Run a test as a careless user: what is made may be changed by everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_careless_umask_opens_no_folder(tmp_path: Path) -> None:
    deploy(tmp_path / "new" / "tls")

    made = [tmp_path / "new" / "tls" / each for each in (".", NAME, f"{NAME}/versions")]
    assert {each.stat().st_mode & 0o777 for each in made} == {0o755}


def test_a_refused_folder_fails_the_run_and_says_why(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, outside: Path
) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / NAME).symlink_to(outside)
    hooked(directory=str(tmp_path / "tls"))

    stored(bench)

    said = certificates.run(bench).result or {}
    assert said["outcome"] == "failed"
    assert "symbolic link" in said["said"]
    assert everything_in(outside) == ["a", "a/file"]


def test_nothing_is_left_in_the_temporary_directory(
    bench: Bench, hooked: Callable[..., Hook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private = private_directory("certline-hooks")
    old = private / "01OLDHOOK" / "old.nordhafen.example"  # as earlier versions left it
    old.mkdir(parents=True)
    (old / ".line").write_text(LINE)
    foreign = private / "01OTHER" / "www.nordhafen.example"
    foreign.mkdir(parents=True)
    (foreign / "file").touch()
    hooked(command=certificates.script(tmp_path, 'test -f "$CERTLINE_KEY_FILE"'), directory=None)

    stored(bench)

    assert (certificates.run(bench).result or {})["outcome"] == "done"
    assert everything_in(private) == [
        "01OTHER",
        "01OTHER/www.nordhafen.example",
        "01OTHER/www.nordhafen.example/file",
    ]


def test_a_folder_in_use_is_not_tidied_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    private = private_directory("certline-hooks")

    with locked_folder(private / "hook", LINE, NAME) as folder:
        tidy(private)
        show(folder, "4a01", [File("key", b"key", is_secret=True)])
        assert (private / "hook" / NAME / "current" / "key").read_text() == "key"
        discard(folder)
    tidy(private)

    assert list(private.iterdir()) == []


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
        settings = bench.line.settings.model_copy(update={"hook_user": "nobody"})
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
    monkeypatch.setattr("certline.workers.deploying.user._missing", lambda: ["CAP_SETUID"])

    with pytest.raises(
        HookUserError, match="run it as root, or give it the capabilities CAP_SETUID"
    ):
        hook_user("root")


@needs_root
def test_secret_files_belong_to_the_user_of_the_command_and_public_ones_to_us(
    directory: Path,
) -> None:
    files = [File("certificate.pem", b"public"), File("key", b"secret", is_secret=True)]
    with locked_folder(directory, LINE, NAME) as folder:
        current = show(folder, "4a01", files, Owner(NOBODY, NOBODY))

    found = {
        each.name: (each.stat().st_uid, each.stat().st_mode & 0o777) for each in current.iterdir()
    }
    assert found == {"certificate.pem": (0, 0o644), "key": (NOBODY, 0o600)}


def test_the_setting_is_known() -> None:
    assert Settings.model_validate({"hook_user": "www"}).hook_user == "www"
    assert run_program(["true"], {}, folder=Path("/"), timeout=60).exit_code == 0
    assert hook_user(None) is None
