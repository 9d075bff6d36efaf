"""What an attacker tries with the folders of deploy hooks: files written, changed or deleted elsewhere."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from certline.models import Hook
from certline.workers.deploying.folder import File, clear, discard, locked_folder, show
from certline.workers.deploying.own_folder import NotOurFolderError
from certline.workers.deploying.temporary import private_directory, tidy
from certline.workers.programs.user import Owner
from tests.integration import conftest as models
from tests.integration.workers import conftest as workers
from tests.integration.workers.deploying import certificates
from tests.integration.workers.succession import stored

bench = workers.bench
database = models.database
hooked = workers.hooked
Bench = workers.Bench

LINE, NAME = "01J0000000000000000000000A", "www.nordhafen.example"
NOBODY = 65_534
ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="becomes other users: root only")


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
