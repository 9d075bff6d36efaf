"""A database whose clock a test can move, by replacing Postgres' `now()`.

Our code has one clock, that of Postgres. `now()` is resolved through the search path, so a function of that name
in a schema before `pg_catalog` replaces it in every statement, including comparisons in SQL. Only column defaults
(creation times) keep the real time, since they were resolved when the tables were made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, text

from certline.models import Database

MOVED = """
CREATE SCHEMA moved;
CREATE FUNCTION moved.now() RETURNS timestamptz LANGUAGE sql STABLE AS
    'SELECT current_setting(''moved.at'')::timestamptz';
"""


class MovedDatabase(Database):
    """A database whose time is the one last set; until then, the time at which this module was imported."""

    at = datetime.now(UTC)

    def set_clock(self, at: datetime) -> None:
        """Set the time of the database."""
        self.at = at


@contextmanager
def moved_database(url: str) -> Iterator[MovedDatabase]:
    """Yield a database with a clock that can be moved; the database at `url` is changed for that."""
    database = MovedDatabase(url, pool_size=2)

    @event.listens_for(database.engine, "connect")
    def look_there_first(connection: Any, _record: object) -> None:
        connection.execute("SET search_path = moved, public, pg_catalog")
        connection.commit()

    @event.listens_for(database.engine, "checkout")
    def at_that_time(connection: Any, record: Any, _proxy: object) -> None:
        if record.info.get("at") == database.at:
            return
        record.info["at"] = database.at
        connection.execute("SELECT set_config('moved.at', %s, false)", [database.at.isoformat()])
        connection.commit()

    with database.transaction() as db:
        db.execute(text(MOVED))
    try:
        yield database
    finally:
        database.close()
