"""A database whose clock a test can move, by replacing Postgres' `now()`.

Our code has one clock, that of Postgres. `now()` is resolved through the search path, so a function of that name
in a schema before `pg_catalog` replaces it in every statement, including comparisons in SQL. Only column defaults
(creation times) keep the real time, since they were resolved when the tables were made; `move_defaults` replaces
them, too.
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


# Each default that is the real time becomes the moved one.
DEFAULTS = """
DO $$
DECLARE wanted record;
BEGIN
    FOR wanted IN
        SELECT adrelid::regclass AS owner, attname AS name
        FROM pg_catalog.pg_attrdef
        JOIN pg_catalog.pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE pg_catalog.pg_get_expr(adbin, adrelid) IN ('now()', 'pg_catalog.now()', 'CURRENT_TIMESTAMP')
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT moved.now()', wanted.owner, wanted.name);
    END LOOP;
END $$
"""


def move_defaults(database: MovedDatabase) -> None:
    """Let creation times follow the moved clock as well."""
    with database.transaction() as db:
        db.execute(text(DEFAULTS))


@contextmanager
def moved_database(url: str, *, pool_size: int = 2) -> Iterator[MovedDatabase]:
    """Yield a database with a clock that can be moved; the database at `url` is changed for that."""
    database = MovedDatabase(url, pool_size=pool_size)

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
