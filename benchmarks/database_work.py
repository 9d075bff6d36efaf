"""What a database has done, as Postgres counts it: commits, and rows read and written."""

import time
from dataclasses import dataclass

import psycopg

# Backends report what they did at most once a second. One that falls idle reports the rest after ten seconds, and
# one that ends at once.
SECONDS_TO_REPORT = 1.5


@dataclass(frozen=True)
class DatabaseWork:
    """Counts since the database was created; `scanned`: rows and index entries that scans looked at."""

    commits: int
    fetched: int
    scanned: int
    inserted: int
    updated: int
    deleted: int

    def since(self, before: "DatabaseWork") -> "DatabaseWork":
        """Return what was done after `before`."""
        return DatabaseWork(
            self.commits - before.commits,
            self.fetched - before.fetched,
            self.scanned - before.scanned,
            self.inserted - before.inserted,
            self.updated - before.updated,
            self.deleted - before.deleted,
        )


def database_work(server_url: str, database: str) -> DatabaseWork:
    """Return the counts of a database, after waiting until busy and ended backends have reported.

    `server_url`: of the maintenance database of its server, so that looking is no part of what is counted.
    """
    time.sleep(SECONDS_TO_REPORT)
    with psycopg.connect(server_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT xact_commit, tup_fetched, tup_returned, tup_inserted, tup_updated, tup_deleted"
            " FROM pg_stat_database WHERE datname = %s",
            [database],
        ).fetchone()
    if row is None:
        raise LookupError(f"there is no database {database}")
    return DatabaseWork(*map(int, row))
