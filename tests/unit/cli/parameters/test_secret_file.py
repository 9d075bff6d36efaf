"""Tests of files that hold keys: readable by their owner only, complete, never overwriting another file."""

import os
from pathlib import Path

import pytest

from certline.cli.errors import Fault
from certline.cli.ui.secret_file import write


def save(path: Path, content: bytes, *, force: bool = False) -> None:
    write(str(path), content, force=force, is_text=False)


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    save(tmp_path / "www.p12", b"key")

    assert (tmp_path / "www.p12").read_bytes() == b"key"
    assert (tmp_path / "www.p12").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["www.p12"]


def test_a_file_is_overwritten_by_force_only(tmp_path: Path) -> None:
    (tmp_path / "www.p12").write_bytes(b"other")

    with pytest.raises(Fault, match="--force"):
        save(tmp_path / "www.p12", b"key")
    assert (tmp_path / "www.p12").read_bytes() == b"other"

    save(tmp_path / "www.p12", b"key", force=True)
    assert (tmp_path / "www.p12").read_bytes() == b"key"
    assert [path.name for path in tmp_path.iterdir()] == ["www.p12"]


def test_it_is_written_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    save(tmp_path / "www.p12", b"key")
    with pytest.raises(Fault, match="already exists"):
        save(tmp_path / "www.p12", b"key")

    assert (tmp_path / "www.p12").read_bytes() == b"key"
    assert [path.name for path in tmp_path.iterdir()] == ["www.p12"]


def test_a_path_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"other")

    for path, said in (
        (tmp_path / "file" / "www.p12", "Not a directory"),
        (tmp_path / ("n" * 300), "File name too long"),
        (Path("/proc/www.p12"), "cannot be written"),
        (Path("a\0b"), "NUL"),
    ):
        with pytest.raises(Fault, match=said):
            save(path, b"key")


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path: Path) -> None:
    save(tmp_path / ("n" * 255), b"key")

    assert (tmp_path / ("n" * 255)).read_bytes() == b"key"


def test_a_folder_or_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="is a folder"):
        save(tmp_path, b"key")
    with pytest.raises(Fault, match="No such file or directory"):
        save(tmp_path / "missing" / "www.p12", b"key")
