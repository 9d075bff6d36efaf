"""Migrations: upgrade a database to the newest schema, and check whether it is out of date."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import DeadlockDetected
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from certline.models.database.app_role import grant_anew
from certline.models.database.board_role import grant_reading_anew
from certline.models.database.session import Database

# Key of the advisory lock that allows one migration at a time ("cert" in ASCII).
MIGRATION_LOCK = 0x63657274
# Postgres undoes one of two transactions that wait for each other, after a second.
MOST_DEADLOCKS = 5


def upgrade(url: str) -> None:
    """Migrate the database to the newest schema; several processes may call it at once, and parts may run.

    A migration that waits for a transaction of a part which waits for the migration is undone and tried again.
    Raises OperationalError if that happens MOST_DEADLOCKS times.
    """
    database = Database(url, pool_size=1, compares=False)
    try:
        for number in range(1, MOST_DEADLOCKS + 1):
            try:
                return _upgrade_once(database)
            except OperationalError as error:
                if not isinstance(error.orig, DeadlockDetected) or number == MOST_DEADLOCKS:
                    raise
    finally:
        database.close()


def _upgrade_once(database: Database) -> None:
    with database.engine.begin() as connection:
        # A large migration may take longer than the time limits of ordinary statements
        # (`models.database.connection.SERVER_OPTIONS`), and so may waiting for another process's migration.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        # In the same transaction: no part ever meets a table that it may not use.
        grant_anew(connection)
        grant_reading_anew(connection)


def behind(database: Database) -> bool:
    """Return True if the database's schema is older than this code."""
    with database.engine.connect() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
    known, newest = _revisions()
    # A revision that we don't know was made by a newer certline: the database is ahead, not behind.
    return present <= known and present != newest


@cache
def _revisions() -> tuple[frozenset[str], frozenset[str]]:
    """Return all revisions of this code, and the newest. Read once: probes ask every few seconds."""
    ours = ScriptDirectory.from_config(_config())
    known = (script.revision for script in ours.walk_revisions())
    return frozenset(known), frozenset(ours.get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return config
