"""What an attacker on the same machine tries with the embedded Postgres."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from certline.models.database.embedded_postgres import (
    LONGEST,
    EmbeddedServer,
    environment,
)
from certline.models.database.postgres_account import (
    NoDatabaseError,
    ServerProgram,
    account_for,
    program_for,
)
from certline.models.file_rights import make_home
from certline.models.settings import Settings
from tests.servers import until

pytestmark = pytest.mark.slow

ROOT = os.geteuid() == 0
NOBODY = 65_534
needs_root = pytest.mark.skipif(not ROOT, reason="Postgres runs as another user for root only")
CERTLINE = [sys.executable, "-P", "-m", "certline"]


def modes(folder: Path) -> dict[Path, int]:
    """Return the permissions of a folder and of all folders above it."""
    return {each: each.stat().st_mode & 0o7777 for each in (folder, *folder.parents)}


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield a folder that every user can reach, as /var/lib is, to hold a home."""
    with tempfile.TemporaryDirectory(prefix="certline-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def server_of(home: Path) -> EmbeddedServer:
    make_home(home)
    return EmbeddedServer(home, program_for(home))


@contextmanager
def started(home: Path) -> Iterator[str]:
    """Run the server of a home for the length of the block; yields its URL."""
    server = server_of(home)
    with server.locked():
        url = server.start()
    try:
        yield url
    finally:
        with server.locked():
            server.stop()


def socket_of(home: Path) -> str:
    return f"postgresql://postgres@/postgres?host={home}/run"


@needs_root
def test_no_folder_above_the_home_is_opened(place: Path) -> None:
    before = modes(place)

    with started(place / "home") as url, psycopg.connect(url) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)

    assert modes(place) == before
    assert (place / "home").stat().st_mode & 0o777 == 0o710  # to the server's group alone


@needs_root
def test_a_home_below_a_closed_folder_is_refused_and_stays_closed(tmp_path: Path) -> None:
    closed = tmp_path / "private"
    closed.mkdir(mode=0o700)
    before = modes(closed)

    server = server_of(closed / "home")
    with pytest.raises(
        NoDatabaseError, match="cannot be reached by the user 'pgserver'"
    ) as refused:
        server.start()

    assert "certline changes no folder outside its home" in str(refused.value)
    assert modes(closed) == before


@needs_root
def test_programs_that_the_servers_user_cannot_run_are_copied_and_not_opened(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reaches_only_the_home(program: ServerProgram, _account: object) -> bool:
        return place in program.package.parents

    monkeypatch.setattr(ServerProgram, "_runs_as", reaches_only_the_home)
    package = program_for(place).package
    before = modes(package / "pginstall18" / "bin")

    for _ in range(2):
        with started(place / "home") as url, psycopg.connect(url) as db:
            assert db.execute("SELECT 1").fetchone() == (1,)

    assert modes(package / "pginstall18" / "bin") == before
    assert [each.name.partition("-")[0] for each in (place / "home").glob("postgres-*")] == [
        "postgres"
    ]


@needs_root
def test_another_user_does_not_reach_the_socket_or_the_password(place: Path) -> None:
    home = place / "home"
    with started(home):
        for path in (
            home,
            home / "run",
            home / "run" / ".s.PGSQL.5432",
            home / "postgres.password",
        ):
            found = subprocess.run(
                ["ls", "-d", f"{path}/." if path.is_dir() else str(path)],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            assert found.returncode != 0, path


def test_what_is_of_the_server_is_its_owners_alone_whatever_the_umask(place: Path) -> None:
    before = os.umask(0)
    try:
        with started(place / "home"):
            rights = {
                name: (place / "home" / name).stat().st_mode & 0o777
                for name in ("run", "postgres", "postgres.password", "postgres.lock")
            }
    finally:
        os.umask(before)

    assert rights == {
        "run": 0o700,
        "postgres": 0o700,
        "postgres.password": 0o600,
        "postgres.lock": 0o600,
    }


def test_who_reaches_the_socket_still_needs_the_password(place: Path) -> None:
    home = place / "home"
    with started(home) as url:
        with psycopg.connect(url) as db:
            method = db.execute("SELECT auth_method FROM pg_hba_file_rules").fetchall()
        for attempt in (
            socket_of(home),
            socket_of(home).replace("postgres@", "postgres:guess@", 1),
        ):
            with pytest.raises(psycopg.OperationalError, match="password"):
                psycopg.connect(attempt).close()

    assert method == [("scram-sha-256",)]


@pytest.mark.parametrize("password_is_there", [False, True], ids=["old", "interrupted"])
def test_data_that_trusted_everybody_are_kept_and_trust_nobody_from_the_next_start_on(
    place: Path, password_is_there: bool
) -> None:
    home = place / "home"
    with started(home) as url, psycopg.connect(url) as db:
        db.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    # As an earlier version has left it, or as a kill in the middle of the change.
    (home / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    (home / "postgres" / "pg_hba.conf.before").unlink()
    if not password_is_there:
        (home / "postgres.password").unlink()

    with started(home) as url:
        with psycopg.connect(url) as db:
            assert db.execute("SELECT answer FROM kept").fetchone() == (42,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(socket_of(home)).close()

    before = home / "postgres" / "pg_hba.conf.before"
    assert before.read_text() == "local all all trust\n"


def test_a_lost_password_is_made_anew_by_the_next_start(place: Path) -> None:
    home = place / "home"
    with started(home) as url, psycopg.connect(url):
        (home / "postgres.password").unlink()
        with pytest.raises(NoDatabaseError, match="the next one makes a new password"):
            server_of(home).start()

    with started(home) as other, psycopg.connect(other) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)
    assert other != url


def test_a_path_too_long_for_a_socket_is_refused_and_no_other_place_is_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    home = place / ("x" * LONGEST)

    with pytest.raises(NoDatabaseError, match=f"too long a path .* at most {LONGEST}"):
        EmbeddedServer(home, program_for(home))

    longest = place / ("x" * (LONGEST - len(str(place)) - len("//run/.s.PGSQL.5432")))
    with started(longest) as url, psycopg.connect(url):
        pass
    assert list(elsewhere.iterdir()) == []


def test_a_home_with_odd_characters_gets_a_server_of_its_own(place: Path) -> None:
    for name in ("a,b", 'a"b', "a$(touch x)", "a`b`", "a\\b"):
        with pytest.raises(NoDatabaseError, match="choose another folder"):
            EmbeddedServer(place / name, program_for(place))
    with started(place / "a b%20'c;d&") as url, psycopg.connect(url) as db:
        assert db.execute("SELECT 1").fetchone() == (1,)


def test_the_server_is_given_no_secret(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTLINE_SECRET_KEY", "the-secret-key")
    home = place / "home"
    with started(home):
        pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        given = Path(f"/proc/{pid}/environ").read_bytes()

    assert b"the-secret-key" not in given
    assert "CERTLINE_SECRET_KEY" not in environment()


def test_the_server_ends_with_its_last_user(place: Path) -> None:
    home = place / "home"
    given = {name: each for name, each in os.environ.items() if not name.startswith("CERTLINE_")}
    done = subprocess.run(
        [*CERTLINE, "init"],
        env=given | {"CERTLINE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    until(lambda: not (home / "postgres" / "postmaster.pid").exists(), 90)


@needs_root
def test_root_has_a_home_that_postgres_can_reach_and_keeps_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(closed))
    usual = closed / ".local" / "share" / "certline"

    assert Settings().home == Path("/var/lib/certline")
    usual.mkdir(parents=True)
    assert Settings().home == usual
    usual.rmdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert Settings().home == usual
    assert account_for(usual) is None
