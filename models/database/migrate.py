"""Migrations: bring a database up to date, and say whether it is behind."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from certline.models.database.session import Database

# One migration at a time, whoever starts: the key of an advisory lock in Postgres.
MIGRATION_LOCK = 0x63657274


def upgrade(url: str) -> None:
    """Migrate the database to the newest schema; safe to run by several processes at once."""
    database = Database(url, pool_size=1)
    try:
        with database.engine.begin() as connection:
            # A big migration takes longer than a statement of the line may.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        database.close()


def behind(database: Database) -> bool:
    """True where the database's schema is older than this code."""
    with database.engine.connect() as connection:
        present = set(MigrationContext.configure(connection).get_current_heads())
    ours = ScriptDirectory.from_config(_config())
    # A revision that we don't know is a newer one's: nothing is to be done for it here.
    known = {script.revision for script in ours.walk_revisions()}
    return present <= known and present != set(ours.get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return config
