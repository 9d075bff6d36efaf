"""Tests of a line's folder: complete sets only, the newest one current, foreign files untouched."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from certline.workers.deploying import folder as line_folder
from certline.workers.deploying.folder import (
    File,
    FolderBusyError,
    LineFolder,
    clear,
    folder_name,
    locked_folder,
    show,
)
from certline.workers.deploying.own_folder import NotOurFolderError
from certline.workers.deploying.temporary import private_directory

LINE, OTHER = "01J0000000000000000000000A", "01J0000000000000000000000B"
NAME = "www.nordhafen.example"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[LineFolder]:
    """Yield the locked folder of a line."""
    with locked_folder(tmp_path / "tls", LINE, NAME) as folder:
        yield folder


def a_set(word: str) -> list[File]:
    return [
        File("fullchain.pem", f"chain {word}".encode()),
        File("key", f"key {word}".encode(), True),
    ]


def shown(folder: LineFolder | Path) -> dict[str, str]:
    path = folder.path if isinstance(folder, LineFolder) else folder
    return {file.name: file.read_text() for file in (path / "current").iterdir()}


def test_a_set_is_shown_whole_and_secrets_are_for_their_owner(folder: LineFolder) -> None:
    current = show(folder, "4a01", a_set("one"))

    assert current == folder.path / "current"
    assert shown(folder) == {"fullchain.pem": "chain one", "key": "key one"}
    modes = {file.name: file.stat().st_mode & 0o777 for file in current.iterdir()}
    assert modes == {"fullchain.pem": 0o644, "key": 0o600}


def test_the_newest_is_shown_the_one_before_it_stays_and_older_ones_go(folder: LineFolder) -> None:
    for word in ("one", "two", "three"):
        show(folder, word, a_set(word))

    assert shown(folder)["key"] == "key three"
    left = sorted(each.name.partition(".")[0] for each in (folder.path / "versions").iterdir())
    assert left == ["three", "two"]


@pytest.mark.parametrize("step", ["_write", "_sync", "_point"])
def test_who_dies_on_the_way_leaves_what_was_shown(
    folder: LineFolder, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    show(folder, "one", a_set("one"))
    with monkeypatch.context() as dying:
        dying.setattr(line_folder, step, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            show(folder, "two", a_set("two"))
    (folder.path / ".current.torn").symlink_to("versions/two")
    assert shown(folder)["key"] == "key one"

    show(folder, "two", a_set("two"))

    assert shown(folder) == {"fullchain.pem": "chain two", "key": "key two"}
    assert sorted(each.name for each in folder.path.iterdir()) == [".line", "current", "versions"]
    assert len(list((folder.path / "versions").iterdir())) == 2


def test_only_one_is_at_a_folder_at_a_time(tmp_path: Path) -> None:
    with locked_folder(tmp_path, LINE, NAME):
        with pytest.raises(FolderBusyError), locked_folder(tmp_path, LINE, NAME):
            pass
        with locked_folder(tmp_path, OTHER, "mail.nordhafen.example"):
            pass

    with locked_folder(tmp_path, LINE, NAME):
        pass


def test_another_line_of_the_same_name_has_a_folder_of_its_own(tmp_path: Path) -> None:
    for line in (LINE, OTHER, LINE, OTHER):
        with locked_folder(tmp_path, line, NAME) as folder:
            show(folder, "one", a_set(line))

    assert sorted(each.name for each in tmp_path.iterdir()) == [NAME, f"{NAME}-{OTHER.lower()}"]
    assert shown(tmp_path / NAME)["key"] == f"key {LINE}"


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / NAME
    theirs.mkdir()
    (theirs / "key.pem").write_text("theirs")

    with (
        pytest.raises(NotOurFolderError, match="move it away"),
        locked_folder(tmp_path, LINE, NAME),
    ):
        pass

    assert [each.name for each in theirs.iterdir()] == ["key.pem"]


def test_a_folder_whose_maker_died_before_it_said_whose_it_is_is_taken(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / ".line").touch()

    with locked_folder(tmp_path, LINE, NAME) as folder:
        assert folder.path == tmp_path / NAME


def test_nothing_is_left_where_a_folder_is_cleared(folder: LineFolder) -> None:
    show(folder, "one", a_set("one"))

    clear(folder)
    clear(folder)

    assert [each.name for each in folder.path.iterdir()] == [".line"]


@pytest.mark.parametrize(
    ("common_name", "name"),
    [
        ("WWW.nordhafen.example", "www.nordhafen.example"),
        ("*.nordhafen.example", "_wildcard.nordhafen.example"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "_"),
        ("a b\n", "a_b_"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_name_from_outside_makes_one_folder_and_no_path(common_name: str, name: str) -> None:
    assert folder_name(common_name) == name


def test_a_private_directory_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    directory = private_directory("hooks")

    assert directory.stat().st_mode & 0o777 == 0o700
    assert private_directory("hooks") == directory
    directory.chmod(0o755)
    with pytest.raises(NotOurFolderError, match="accessible to other users"):
        private_directory("hooks")
    directory.rmdir()
    directory.symlink_to(tmp_path)
    with pytest.raises(NotOurFolderError):
        private_directory("hooks")
