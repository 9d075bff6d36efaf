"""Tests of the board as a process, and of its commands."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from certline.board.access.policy import access_policy
from certline.board.server import beside
from certline.models.settings import Settings, settings
from tests.integration.cli.conftest import Typist, typist  # noqa: F401  # a fixture
from tests.support.board_role import board_login
from tests.support.loaded import loaded_by


@contextmanager
def started(database_url: str, *words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Run certline until the end of the block."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CERTLINE_")},
        "CERTLINE_DATABASE_URL": database_url,
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "certline", *words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@contextmanager
def a_process(
    database_url: str, *words: str, **more: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a board until the end of the block. Yields its address, as it is printed, and the process."""
    with started(database_url, *words, **more) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"The board: (http://\S+)", line):
                yield found[1].rstrip("/"), process
                return
        raise AssertionError(said)


@pytest.mark.parametrize("words", [("board",), ("run", "board")])
def test_it_serves_with_a_role_that_can_only_read_and_without_a_key(
    database_url: str, words: tuple[str, ...]
) -> None:
    with board_login(database_url) as url, a_process(url, *words, "--port", "0") as (at, process):
        assert requests.get(f"{at}/healthz", timeout=10).text == "ok\n"
        assert "Is the line well?" in requests.get(f"{at}/", timeout=30).text
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

        assert process.returncode == 0


def test_on_another_address_it_does_not_start_without_a_log_in(typist: Typist) -> None:  # noqa: F811
    said = typist.types("board", "--host", "0.0.0.0", "--port", "0", code=2)  # noqa: S104

    assert "CERTLINE_BOARD_USERS_FILE" in said
    assert "--trust-header" in said


def test_a_port_that_is_taken_is_named(typist: Typist, database_url: str) -> None:  # noqa: F811
    with board_login(database_url) as url, a_process(url, "board", "--port", "0") as (at, _):
        port = at.rpartition(":")[2]
        said = typist.types("board", "--port", port, code=1)

    assert f"the board cannot listen on 127.0.0.1:{port}" in said


def test_users_are_added_listed_and_removed(
    typist: Typist,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, word = tmp_path / "users", tmp_path / "password"
    word.write_text("correct horse battery\n")
    monkeypatch.setenv("CERTLINE_BOARD_USERS_FILE", str(file))
    settings.cache_clear()
    add = ("board", "user", "add", "ida", "--password-file", str(word))

    assert "There are no users yet" in typist.types("board", "user", "list")
    assert typist.json(*add) == {"name": "ida", "file": str(file), "added": True}
    assert "another password" in typist.types(*add)
    assert typist.json("board", "user", "list") == [{"name": "ida"}]
    assert file.stat().st_mode & 0o777 == 0o600
    assert typist.json("board", "user", "remove", "ida") == {"name": "ida", "removed": True}
    assert "no user 'ida'" in typist.types("board", "user", "remove", "ida", code=1)


def test_without_a_file_users_cannot_be_added_and_it_says_what_to_set(typist: Typist) -> None:  # noqa: F811
    said = typist.types("board", "user", "list", code=2)

    assert "CERTLINE_BOARD_USERS_FILE" in said


def test_init_makes_the_role_of_the_board(
    typist: Typist,  # noqa: F811
    database_url: str,
) -> None:
    with board_login(database_url) as url:
        role = url.partition("//")[2].partition(":")[0]
        assert typist.json("init", "--board-role", role)["board_role"] == role
        assert f"{role} may read what the board shows" in typist.types("init", "--board-role", role)


def test_the_app_role_cannot_be_the_boards(typist: Typist) -> None:  # noqa: F811
    said = typist.types("init", "--app-role", "one", "--board-role", "one", code=2)

    assert "a role of its own" in said


@pytest.mark.parametrize("words", ["order list", "top --json", "board user list"])
def test_no_other_command_loads_the_pages(
    typist: Typist,  # noqa: F811, ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
) -> None:
    monkeypatch.setenv("CERTLINE_BOARD_USERS_FILE", str(tmp_path / "users"))
    names = loaded_by(*words.split())

    assert not [name for name in names if name.startswith("certline.board.pages")]
    assert not {"starlette", "uvicorn", "jinja2"} & {name.partition(".")[0] for name in names}


def test_beside_other_parts_it_serves_and_a_port_that_is_taken_stops_none_of_them(
    database_url: str,
) -> None:
    given, access = Settings(database_url=database_url), access_policy("127.0.0.1")

    with beside(given, access, 0) as url:
        assert url is not None
        assert requests.get(f"{url}healthz", timeout=10).text == "ok\n"
        port = int(url.rstrip("/").rpartition(":")[2])
        with beside(given, access, port) as other:
            assert other is None


@pytest.mark.parametrize("options", [(), ("--no-board",)])
def test_up_says_where_the_board_is_unless_it_serves_none(
    database_url: str, options: tuple[str, ...]
) -> None:
    with started(
        database_url, "up", *options, CERTLINE_SECRET_KEY=Fernet.generate_key().decode()
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "up.started" in line:
                break

    # Another `up` of this machine may have the port.
    told = re.search(r"The board(: http://127.0.0.1:8600/| is not served: port 8600)", said)
    assert bool(told) == (not options), said
    assert "up.started" in said


def test_up_with_a_users_file_that_cannot_be_read_does_not_start(
    typist: Typist,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CERTLINE_BOARD_USERS_FILE", str(tmp_path / "users"))
    settings.cache_clear()

    said = typist.types("up", code=2)

    assert "certline board user add NAME makes it" in said
    assert "certline up --no-board" in said
