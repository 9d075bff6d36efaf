"""Tests of the location of a run's folders."""

from pathlib import Path

import pytest

from tests.servers import run


def test_a_memory_that_is_not_there_or_too_small_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not run.has_plenty(tmp_path / "missing")

    monkeypatch.setattr(run, "PLENTY", 1 << 60)

    assert not run.has_plenty(tmp_path)


def test_a_person_s_own_place_for_passing_files_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    assert run.place() == tmp_path
