"""Backups that the drill takes and restores: base backups with archived WAL, dumps, and copies of the folder."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg

from tests.servers.postgres_cluster import Cluster, cluster

DATABASE = "certline"
POINT = "the_backup"
# Seconds after which Postgres archives a WAL file that is not full: no more is lost with the machine.
ARCHIVE_TIMEOUT = 60
SETTINGS = f"max_connections = 100\nshared_buffers = 128MB\narchive_timeout = {ARCHIVE_TIMEOUT}\n"


class Backup(ABC):
    """A way to back up the database of `first`.

    `what`: the way in words, for the figures. `shows`: the restored database differs from the lost one in its
    identity, so whatever connects first notices the restore; otherwise a relay does, by the witness.
    """

    what: str
    shows = True

    def __init__(self, first: Cluster, stack: ExitStack) -> None:
        self.first = first
        self._stack = stack

    @property
    def url(self) -> str:
        """The address of the database before the disaster."""
        return self.first.url_of(DATABASE)

    @abstractmethod
    def begin(self) -> None:
        """Do what is done once a day, while the line works."""

    @abstractmethod
    def complete(self) -> None:
        """Make the present moment restorable."""

    @abstractmethod
    def restore(self) -> str:
        """Restore the database on another server. Returns its address there."""


class ToMoment(Backup):
    """A base backup, and the WAL since, replayed up to the moment at which the backup was complete."""

    what = "base backup and WAL, to a moment"
    target: str | None = POINT

    def begin(self) -> None:
        """Take the base backup."""
        self.copy = self.first.base_backup("restored")

    def complete(self) -> None:
        """Name the moment, and have the WAL up to it archived."""
        with psycopg.connect(self.first.url, autocommit=True) as connection:
            connection.execute("SELECT pg_create_restore_point(%s)", (POINT,))
        self.first.archive_everything()

    def restore(self) -> str:
        """Start the base backup as a server that replays the archive."""
        self.copy.restore_to(self.target)
        return self.copy.url_of(DATABASE)


class WholeArchive(ToMoment):
    """A base backup, and all of the WAL since that was archived before the machine was lost."""

    what = f"base backup and all archived WAL (archive_timeout {ARCHIVE_TIMEOUT} s)"
    target = None


class Dumped(Backup):
    """A dump by pg_dump, restored into a new cluster."""

    what = "pg_dump"

    def begin(self) -> None:
        """Do nothing: a dump is taken at once."""

    def complete(self) -> None:
        """Take the dump."""
        self.first.run("pg_dump", "-Fc", "-f", self._dump, self.url)

    def restore(self) -> str:
        """Make a new cluster and restore the dump into it."""
        second = self._stack.enter_context(cluster(SETTINGS))
        second.run("createdb", "--maintenance-db", second.url, DATABASE)
        second.run("pg_restore", "-d", second.url_of(DATABASE), self._dump)
        return second.url_of(DATABASE)

    @property
    def _dump(self) -> str:
        return str(self.first.archive / "dump")


class Copied(Backup):
    """A copy of the data folder, made while the server is stopped for it: what a snapshot of its volume has."""

    what = "copy of the data folder, or snapshot of its volume"
    shows = False

    def begin(self) -> None:
        """Do nothing: the copy is taken at once."""

    def complete(self) -> None:
        """Copy the folder; the parts wait for the server meanwhile."""
        self.copy = Cluster(self.first.home, self.first.home / "restored", self.first.user)
        self.first.stop("fast")
        self.first.copy_folder(self.copy.data)
        self.first.start()

    def restore(self) -> str:
        """Start a server with the copy."""
        self.copy.start()
        return self.copy.url_of(DATABASE)


WAYS: dict[str, type[Backup]] = {
    "moment": ToMoment,
    "archive": WholeArchive,
    "dump": Dumped,
    "folder": Copied,
}


@contextmanager
def backed_up(way: str) -> Iterator[Backup]:
    """Yield an empty database of a cluster of its own, and the way in which it is backed up."""
    with ExitStack() as stack:
        first = stack.enter_context(cluster(SETTINGS))
        first.run("createdb", "--maintenance-db", first.url, DATABASE)
        yield WAYS[way](first, stack)
