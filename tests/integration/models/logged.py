"""What tests of the audit log do to it: record entries, alter them as the owner could, and verify the chain."""

from alembic import command
from sqlalchemy import text

from certline.models import Database
from certline.models.audit.chain import Break, breaks_in
from certline.models.audit.head import Head
from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.database.migrate import _config


def log(database: Database, *kinds: str, subject: str = "01J") -> None:
    """Record these entries in one transaction."""
    with database.transaction() as db:
        for kind in kinds:
            record(
                db,
                kind,
                subject,
                who=Identity("os:ida"),
                why='so "it" is\n\x01: ü',
                names=["ä", None, 1.50],
            )


def found(database: Database, kept: Head | None = None) -> list[Break]:
    return database.run(lambda db: list(breaks_in(db, [] if kept is None else [kept])))


def tamper(database: Database, *statements: str) -> None:
    """Run statements as the database's owner could: without triggers."""
    with database.transaction() as db:
        db.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            db.execute(text(statement))


def downgrade_to(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


def log_plainly(database: Database) -> None:
    with database.transaction() as db:
        # Not by the model: an earlier revision of the table has not all of its columns.
        db.execute(
            text(
                "INSERT INTO event (type, subject, who, data) VALUES ('order.4', '01J', 'ida', '{}')"
            )
        )
