"""Tests of the program that the demo tells to type next: the one that was typed."""

import sys
from pathlib import Path

import pytest

from certline.cli.demo import story


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an installed `certline`, which is the one that runs."""
    installed = tmp_path / "project" / ".venv" / "bin" / "certline"
    installed.parent.mkdir(parents=True)
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(installed), "demo"])
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    return installed


def test_a_program_that_the_shell_finds_is_called_by_its_name(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))

    assert story.typed_as() == "certline"


def test_another_one_is_called_by_its_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert story.typed_as() == "project/.venv/bin/certline"
    monkeypatch.chdir("/usr")
    assert story.typed_as() == str(program)


def test_a_module_is_called_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/certline/__main__.py", "demo"])

    assert story.typed_as() == f"{sys.executable} -m certline"
