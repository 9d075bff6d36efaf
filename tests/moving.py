"""A database whose clock the test moves: everything that asks what time it is, asks `now()` there.

Our code has one clock, Postgres' own. `now()` is found in the search path, so a schema before
`pg_catalog` answers in its place: in every statement, also in those that compare times in SQL. Only
the columns' defaults (when a row was made) keep the real time.
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
    """A database that is at the time that was set last; at first, at the real one."""

    at = datetime.now(UTC)

    def set_clock(self, at: datetime) -> None:
        """It is that time now."""
        self.at = at


@contextmanager
def moved_database(url: str) -> Iterator[MovedDatabase]:
    """Such a database."""
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
