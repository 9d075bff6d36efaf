"""A Postgres primary and a standby that follows it by streaming replication, for tests that promote it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from tests.servers import session
from tests.servers.postgres import unprivileged
from tests.servers.process import until

# Where distributions put the programs that are not on the path.
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")
# `unix_socket_directories` is empty because a distribution's folder may not exist or not be ours.
SETTINGS = """
fsync = off
max_connections = 100
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = replica
hot_standby = on
"""


class NoReplicationError(RuntimeError):
    """The programs that make a standby are not installed."""


class Replica:
    """One of the servers of a pair; its data are in a folder of its own."""

    def __init__(self, data: Path, user: str | None) -> None:
        self.data = data
        self.user = user
        self.port = session.free_port()

    def start(self) -> None:
        """Start the server, and return once it accepts connections."""
        self.run("pg_ctl", "-w", "-D", self.data, "-l", f"{self.data}.log", "start")

    def kill(self) -> None:
        """Send SIGKILL to every process of the server."""
        postmaster = psutil.Process(int((self.data / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=30)

    def promote(self) -> None:
        """Make this standby a primary, and return once it takes changes."""
        self.run("pg_ctl", "-w", "-D", self.data, "promote")

    def ask(self, statement: str, *values: object) -> object:
        """Return the first value that a statement yields, or None."""
        url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            row = found.fetchone() if found.description else None
        return None if row is None else row[0]

    def configure(self, **settings: str) -> None:
        """Write settings of this server, which its next start or reload reads."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def run(self, program: str, *words: str | Path) -> None:
        """Run one of Postgres' programs as the server's user. Raises ChildProcessError."""
        done = subprocess.run(
            [programs() / program, *words],
            stdin=subprocess.DEVNULL,
            # Not a pipe: a server that pg_ctl starts would hold it open.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            user=self.user,
            check=False,
        )
        if done.returncode:
            log = Path(f"{self.data}.log")
            said = log.read_text()[-2000:] if log.exists() else ""
            raise ChildProcessError(f"{program} ended with {done.returncode}:\n{said}")


class Pair:
    """A primary and its standby; after `fail_over` they have changed places, and the old primary is dead."""

    def __init__(self, primary: Replica, standby: Replica) -> None:
        self.primary = primary
        self.standby = standby

    def url(self, database: str) -> str:
        """Return an address that names both servers and asks for the one that takes changes."""
        places = ",".join(f"127.0.0.1:{port}" for port in sorted(self._ports()))
        return f"postgresql://postgres@{places}/{database}?target_session_attrs=read-write"

    def commit_on_both(self) -> None:
        """Let no commit return before the standby has it (synchronous replication)."""
        self.primary.configure(synchronous_standby_names="*", synchronous_commit="on")
        self.primary.ask("SELECT pg_reload_conf()")
        until(lambda: self.primary.ask("SELECT sync_state FROM pg_stat_replication") == "sync", 30)

    def cut_stream(self) -> None:
        """Let nothing more reach the standby, as behind a cut network; the primary does not wait for it."""
        self.standby.configure(primary_conninfo="")
        self.standby.ask("SELECT pg_reload_conf()")
        until(lambda: self.primary.ask("SELECT count(*) FROM pg_stat_replication") == 0, 30)

    def fail_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def _ports(self) -> tuple[int, int]:
        return self.primary.port, self.standby.port


def programs() -> Path:
    """Return the folder of initdb, pg_ctl and pg_basebackup. Raises NoReplicationError, saying what to install."""
    found = shutil.which("pg_basebackup")
    folders = [folder for place in PLACES for folder in sorted(Path("/").glob(place[1:]))]
    if found is not None:
        folders.append(Path(found).resolve().parent)
    for folder in reversed(folders):
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "pg_basebackup")):
            return folder
    raise NoReplicationError(
        "needs Postgres with initdb, pg_ctl and pg_basebackup: apt-get install postgresql"
    )


@contextmanager
def open_pair() -> Iterator[Pair]:
    """Yield a primary and a standby that streams from it; both are stopped and removed afterwards."""
    user, group = unprivileged() if os.geteuid() == 0 else (None, None)
    # Not the run's folder, which other users cannot enter.
    home = Path(tempfile.mkdtemp(prefix="certline-replication-"))
    if user is not None:
        shutil.chown(home, user, group)
    primary, standby = (Replica(home / name, user) for name in ("first", "second"))
    try:
        _begin(primary)
        _follow(primary, standby)
        yield Pair(primary, standby)
    finally:
        for server in (primary, standby):
            with suppress(FileNotFoundError, psutil.NoSuchProcess):
                server.kill()
        shutil.rmtree(home, ignore_errors=True)


def _begin(primary: Replica) -> None:
    primary.run(
        *("initdb", "-D", primary.data, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
        *("--locale=C", "--no-sync"),
    )
    with (primary.data / "postgresql.conf").open("a") as file:
        file.write(SETTINGS)
    primary.configure(port=str(primary.port))
    primary.start()


def _follow(primary: Replica, standby: Replica) -> None:
    source = f"host=127.0.0.1 port={primary.port} user=postgres"
    standby.run("pg_basebackup", "-d", source, "-D", standby.data, "-R", "-c", "fast", "--no-sync")
    standby.configure(port=str(standby.port))
    standby.start()
    until(lambda: primary.ask("SELECT state FROM pg_stat_replication") == "streaming", 30)
