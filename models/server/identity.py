"""Which database this is: the cluster, its timeline and the database's number, compared with what was stored.

Most restored databases differ in one of them from the one that they are a copy of, and so does a promoted standby.
Whatever opens a connection compares them first, so nothing is sent before that is noticed (`recovery`). A copied
data folder differs in none: that is noticed by the witness (`restore.testimony`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

# A promoted standby shows its new timeline in the names of its WAL files at once, but in pg_control_checkpoint()
# only after its next checkpoint. A standby has no WAL file of its own to name.
CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"
TIMELINE = """SELECT CASE WHEN NOT pg_is_in_recovery()
    THEN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END"""
STANDBY = "SELECT pg_is_in_recovery()"
DATABASE = "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"
# The last column: a recovery is in progress, or a relay has to find out first whether there has to be one.
STORED = """SELECT cluster, timeline, database,
    phase <> 'settled' OR coalesce(compared_start <> pg_postmaster_start_time(), false)
        OR coalesce(compared_table <> tableoid::bigint, false)
    FROM recovery WHERE id = 1"""
# Once only, by whatever connects first after the table was made.
ADOPT = """UPDATE recovery SET cluster = %s, timeline = %s, database = %s
    WHERE id = 1 AND cluster IS NULL AND timeline IS NULL AND database IS NULL"""
# Of several processes that notice the same restore, one notes it: the others no longer find the old identity. A
# witness from before has nothing to add, so no relay has to compare the data with it.
NOTE = """UPDATE recovery SET phase = 'noticed', number = number + 1, why = %(why)s,
        noticed_at = clock_timestamp(), settled_at = NULL, compares_at = NULL, known_until = NULL, result = NULL,
        cluster = coalesce(%(cluster)s, cluster), timeline = coalesce(%(timeline)s, timeline),
        database = coalesce(%(database)s, database),
        compared_start = pg_postmaster_start_time(), compared_table = tableoid::bigint
    WHERE id = 1 AND (cluster, timeline, database) IS NOT DISTINCT FROM (%(c)s, %(t)s::int, %(d)s::bigint)"""


@dataclass(frozen=True)
class ServerIdentity:
    """Identity of a database; a part that the server does not tell is None.

    `cluster`: the system identifier, made by initdb. `timeline`: counts restores to a moment, and promotions.
    `database`: the number (oid) that CREATE DATABASE gave it.
    """

    cluster: str | None
    timeline: int | None
    database: int | None

    @property
    def is_unknown(self) -> bool:
        """True if no part is known."""
        return self == ServerIdentity(None, None, None)

    def untold(self) -> list[str]:
        """Return the functions of Postgres that this login would need to be allowed, to tell the missing parts."""
        missing = []
        if self.cluster is None:
            missing.append("pg_control_system()")
        if self.timeline is None:
            missing.append("pg_walfile_name(pg_lsn)")
        return missing


def differences(stored: ServerIdentity, present: ServerIdentity) -> list[str]:
    """Return in words how the present database differs from the stored identity; parts that are unknown don't."""
    found = []
    for what, before, now in (
        ("the cluster (system identifier)", stored.cluster, present.cluster),
        ("the timeline", stored.timeline, present.timeline),
        ("the database's number (oid)", stored.database, present.database),
    ):
        if before is not None and now is not None and before != now:
            found.append(f"{what} was {before} and is {now}")
    return found


def present_identity(connection: psycopg.Connection[Any]) -> ServerIdentity:
    """Return the identity of the database that a connection without an open transaction leads to."""
    return ServerIdentity(
        _told(connection, CLUSTER), _told(connection, TIMELINE), _told(connection, DATABASE)
    )


@dataclass(frozen=True)
class Comparison:
    """Result of `compare_identity`. `recovering`: a recovery is in progress, begins now, or may be found necessary
    by a relay (`restore.testimony`). `standby`: the server still replays WAL and has no timeline of its own yet,
    so the connection has to be compared again.
    """

    recovering: bool
    standby: bool = False


def compare_identity(connection: psycopg.Connection[Any]) -> Comparison:
    """Compare a connection's database with what is stored in it, and note a restore.

    A database without our tables has nothing to compare.
    """
    standby = bool(_told(connection, STANDBY))
    rows = list(_rows(connection, STORED))
    if standby or not rows:
        return Comparison(bool(rows and rows[0][3]), standby)
    cluster, timeline, database, recovering = rows[0]
    stored = ServerIdentity(cluster, timeline, database)
    present = present_identity(connection)
    if stored.is_unknown:
        _write(connection, ADOPT, (present.cluster, present.timeline, present.database))
        return Comparison(bool(recovering))
    found = differences(stored, present)
    if found:
        why = "; ".join(found)
        now = {"cluster": present.cluster, "timeline": present.timeline}
        before = {"c": cluster, "t": timeline, "d": database}
        _write(connection, NOTE, {"why": why, "database": present.database, **now, **before})
    return Comparison(bool(recovering or found))


def _told(connection: psycopg.Connection[Any], query: str) -> Any:
    """Return what the server answers, or None if this login may not ask."""
    return next((row[0] for row in _rows(connection, query)), None)


def _rows(connection: psycopg.Connection[Any], query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from connection.execute(query).fetchall()
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.UndefinedFunction,
        psycopg.errors.FeatureNotSupported,
    ):
        pass
    finally:
        connection.rollback()


def _write(connection: psycopg.Connection[Any], statement: str, values: Any) -> None:
    try:
        connection.execute(statement, values)
        connection.commit()
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege):
        # Nothing can be claimed through this connection either.
        connection.rollback()
