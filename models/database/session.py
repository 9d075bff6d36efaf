"""The one way to the database: a `Database` and its `transaction()`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

T = TypeVar("T")

# The channel on which a transaction tells the relay that there is something to send.
WAKE_CHANNEL = "certline_outbox"
# In `Session.info`: this transaction wrote outbox rows that are due.
WAKE = "wake"
# In `Session.info`: what time it is in this transaction.
NOW = "now"

# A dead peer must not hold locks: the server notices a gone client within 25 s, and ends a
# transaction that forgot itself. Milliseconds and seconds as Postgres takes them.
SERVER_OPTIONS = (
    "-c statement_timeout=60000 -c lock_timeout=30000 -c idle_in_transaction_session_timeout=60000 "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c timezone=UTC"
)


class Database:
    """A pool of connections to one Postgres."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        """Take a `postgresql://` URL; nothing is opened before the first transaction."""
        self.url = url
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,  # an error's text must not hold what a statement was given
            connect_args={
                "options": SERVER_OPTIONS,
                "connect_timeout": 10,
                # A database in SQL_ASCII would hand over bytes.
                "client_encoding": "utf8",
            },
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back where an exception leaves the block.

        One NOTIFY a transaction wakes the relay, never one a row (its commit takes a cluster-wide
        lock in Postgres).
        """
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session
            if session.info.pop(WAKE, False):
                session.flush()
                session.execute(text(f"NOTIFY {WAKE_CHANNEL}"))

    def run(self, work: Callable[[Session], T]) -> T:
        """Run one function in one transaction."""
        with self.transaction() as session:
            return work(session)

    def close(self) -> None:
        """Close the pool's connections."""
        self.engine.dispose()


def blames_the_data(error: DBAPIError) -> bool:
    """Whether Postgres refuses what it was given, and will whenever it is asked; else it has a
    trouble of its own, which may pass.
    """
    state: str = getattr(error.orig, "sqlstate", None) or ""
    # SQLSTATE classes: bad data, a broken constraint, more than a limit allows.
    return state.startswith(("22", "23", "54"))


def clock(db: Session, after: timedelta = timedelta(0)) -> datetime:
    """The database's time in this transaction, or a while after it: one clock for all machines.

    It stands still in a transaction (Postgres' `now()`), so it is asked for once: a session has one
    transaction, and no other begins in it (`Database.transaction`).
    """
    if NOW not in db.info:
        db.info[NOW] = db.scalars(select(func.now())).one()
    now: datetime = db.info[NOW]
    return now + after


def one_state(db: Session) -> None:
    """From here on this transaction sees one state of all tables; to be said before it reads any."""
    db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
