"""Postgres clusters with a WAL archive and standbys, for tests that go back in time or promote a standby."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.servers.postgres import unprivileged
from tests.servers.process import until
from tests.servers.replication import Replica

QUICK = "fsync = off\nfull_page_writes = on\nmax_connections = 50\nshared_buffers = 32MB\n"


class Cluster(Replica):
    """A cluster in a folder of its own; `url` is the address of its maintenance database."""

    def __init__(self, home: Path, data: Path, user: str | None) -> None:
        super().__init__(data, user)
        self.home = home
        self.archive = home / "archive"
        self.url = self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, and return once it accepts connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self.run(
            "pg_ctl", "-w", "-D", str(self.data), "-l", f"{self.data}.log", "-o", options, "start"
        )

    def stop(self, how: str = "immediate") -> None:
        """Stop the server, by default as a crash does."""
        with suppress(ChildProcessError):  # it may have ended already
            self.run("pg_ctl", "-w", "-D", str(self.data), "-m", how, "stop")

    def base_backup(self, name: str, *more: str) -> "Cluster":
        """Copy the running cluster with pg_basebackup. Returns the copy, which is not started."""
        copy = Cluster(self.home, self.home / name, self.user)
        self.run("pg_basebackup", "-d", self.url, "-D", str(copy.data), "-c", "fast", *more)
        return copy

    def copy_folder(self, to: Path) -> None:
        """Copy the stopped server's folder, as a snapshot of its volume does."""
        shutil.copytree(self.data, to, symlinks=True)
        for path in (to, *to.rglob("*")):
            if self.user is not None:
                shutil.chown(path, self.user)

    def restore_to(self, point: str | None = None) -> None:
        """Have a base backup replay the archive up to a restore point, and become a primary there.

        Without a point, everything that was archived is replayed.
        """
        command = f"cp {shlex.quote(str(self.archive))}/%f %p"
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(f"restore_command = '{command}'\n")
            if point is not None:
                file.write(f"recovery_target_name = '{point}'\n")
                file.write("recovery_target_action = 'promote'\n")
        (self.data / "recovery.signal").touch()
        self.start()
        # It accepts connections before it has reached the point.
        until(lambda: not self.is_standby(), 600)

    def lose(self) -> None:
        """Kill the server (SIGKILL) and remove its data; the archive is elsewhere, and stays."""
        self.kill()
        shutil.rmtree(self.data)

    def is_standby(self) -> bool:
        """Return True while the server replays WAL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)

    def archive_everything(self) -> None:
        """Close the WAL file in use, and wait until it is archived."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            (name,) = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone() or (
                "",
            )
        until((self.archive / name).exists, 60)


@contextmanager
def cluster(settings: str = QUICK) -> Iterator[Cluster]:
    """Yield a running cluster that archives its WAL; it, its copies and its files are removed afterwards."""
    user = unprivileged()[0] if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="certline-cluster-"))
    first = Cluster(home, home / "first", user)
    first.archive.mkdir()
    if user is not None:
        for folder in (home, first.archive):
            shutil.chown(folder, user)
    try:
        first.run(
            "initdb", "-D", str(first.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"
        )
        with (first.data / "postgresql.conf").open("a") as file:
            file.write(
                f"{settings}archive_mode = on\narchive_command = 'cp %p {first.archive}/%f'\n"
            )
            file.write("wal_level = replica\nmax_wal_senders = 5\n")
        first.start()
        yield first
    finally:
        for pid_file in home.glob("*/postmaster.pid"):
            Cluster(home, pid_file.parent, user).stop()
        shutil.rmtree(home, ignore_errors=True)
