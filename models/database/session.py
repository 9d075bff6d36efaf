"""Access to the database: a `Database` and its `transaction()`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, event, func, select
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from certline.models import load_tables
from certline.models.database.connection import PostgresPool
from certline.models.database.relay_bell import RING, Bell
from certline.models.server.identity import compare_identity

T = TypeVar("T")

# The relay looks into the outbox after this time even if nothing has woken it, so a row that falls due later needs
# no NOTIFY: the relay knows of it by then.
SOON = timedelta(seconds=5)
# `Session.info` holds what belongs to a transaction, under these two keys.
# WAKE: the transaction wrote outbox rows that are due now or within SOON. Set by whatever writes such rows
# (`models.events.outbox`, `models.commands.bulk.send_out`), read by `Database.transaction`.
WAKE = "wake"
# NOW: the transaction's time. Set and read by `clock`.
NOW = "now"
# `info` of a pooled connection: its server was a standby, and may have been promoted since.
STANDBY = "standby"


class Database:
    """A pool of connections to one Postgres database."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        bounded: bool = True,
        options: str = "",
        compares: bool = True,
    ) -> None:
        """Create the pool for a `postgresql://` URL; no connection is opened before the first transaction.

        `pool_size`: connections that are kept; as many again are opened if needed, or any number if not `bounded`.
        `options`: of Postgres' server, after those of every connection (`connection.SERVER_OPTIONS`).
        `compares`: each new connection finds out whether the database was restored (`server.identity`).
        """
        self.url = url
        self._pool = PostgresPool(
            url,
            options=options,
            pool_size=pool_size,
            max_overflow=pool_size if bounded else -1,
        )
        self.engine: Engine = self._pool.engine
        # True if a recovery was in progress, or possible, when a connection was opened: else it is worth no query.
        self.may_recover = False
        if compares:
            event.listen(self.engine, "connect", self._compare)
            event.listen(self.engine, "checkout", self._compare_again)
        self._bell = Bell(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Run a block in a session that commits at its end, or rolls back if an exception leaves the block.

        If the block has stored due outbox rows (WAKE in `Session.info`), the relay is woken: with the commit, or
        in a storm a moment after it (`Bell`).
        """
        ring_after = False
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            if session.info.pop(WAKE, False):
                ring_after = not self._bell.rings_with_commit()
                if not ring_after:
                    session.flush()
                    session.connection().execute(RING)
        if ring_after:
            self._bell.ring()

    def run(self, work: Callable[[Session], T]) -> T:
        """Run a function in a transaction of its own, and return its result."""
        with self.transaction() as session:
            return work(session)

    def rehearse(self, work: Callable[[Session], T]) -> T:
        """Run a function in a transaction that is rolled back, and return its result: nothing of it is stored."""
        with Session(self.engine, expire_on_commit=False) as session:
            return work(session)

    def goes_through_bouncer(self) -> bool:
        """Return True if PgBouncer is in between, so that no LISTEN hears anything. Raises DBAPIError."""
        return self._pool.goes_through_bouncer()

    def _compare(self, connection: psycopg.Connection[Any], record: ConnectionPoolEntry) -> None:
        found = compare_identity(connection)
        record.info[STANDBY] = found.standby
        if found.recovering:
            self.may_recover = True

    def _compare_again(
        self, connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _: object
    ) -> None:
        """Compare a connection that was opened before its server was promoted; all others have been compared."""
        if record.info.get(STANDBY):
            self._compare(connection, record)

    def close(self) -> None:
        """Close the pool's connections."""
        self._bell.fall_silent()
        self.engine.dispose()


@event.listens_for(Session, "before_flush")
def _know_every_table(*_: object) -> None:
    """Load every table before rows are written: SQLAlchemy sorts tables along their foreign keys."""
    load_tables()


def blames_the_data(error: DBAPIError) -> bool:
    """Return True if Postgres refused the data, and would again; False for any other, maybe temporary, trouble."""
    # SQLSTATE classes: 22 data exception, 23 integrity constraint violation, 54 program limit exceeded.
    # psycopg itself refuses NUL in a text, without an SQLSTATE, as a DataError.
    return isinstance(error, DataError) or _state(error).startswith(("22", "23", "54"))


def can_never_be_stored(error: DBAPIError) -> bool:
    """Return True if Postgres refuses these data for themselves; False also for a conflict with other rows."""
    # 23505 unique, 23503 foreign key and 23P01 exclusion depend on other rows, which may change.
    conflict = _state(error) in ("23505", "23503", "23P01")
    return blames_the_data(error) and not conflict


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def clock(db: Session, after: timedelta = timedelta(0)) -> datetime:
    """Return the time at which the transaction began by Postgres' clock, plus `after`: one clock for all machines.

    Postgres' `now()` is constant within a transaction, so it is read once and cached in the session, which never
    has a second transaction (`Database.transaction`).
    """
    if NOW not in db.info:
        db.info[NOW] = db.scalars(select(func.now())).one()
    now: datetime = db.info[NOW]
    return now + after


def wake_later(db: Session) -> None:
    """Have this commit not wake the relay: the step goes on at once, and its next transaction wakes it.

    If the process dies before that, the relay finds the rows when it looks by itself.
    """
    db.info.pop(WAKE, None)


def one_state(db: Session) -> None:
    """Give the transaction one snapshot of all tables (REPEATABLE READ). To be called before its first query."""
    db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
