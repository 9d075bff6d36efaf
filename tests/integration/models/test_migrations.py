"""Tests that migrations produce what the models describe, forwards, backwards and all at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import Popen
from sys import executable

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text

from certline.models import Base, Certificate, Command, Database, SenderKind, load_tables
from certline.models.commands.kinds import PUBLIC
from certline.models.database.migrate import _config, behind, upgrade
from certline.models.senders.sender import sender_at_work_queues, sender_with_user, senders
from certline.workers.keys import other_names, read_certificates
from tests.servers import PostgresServer, until
from tests.support.factories import a_certificate, a_sender
from tests.support.odd_certificates import ODD, UNUSUAL

# Everything that Postgres enforces, by name and definition; triggers exist only in migrations.
RULES = text(
    """SELECT conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace
         AND conrelid::regclass::text <> 'alembic_version' AND contype <> 't'
    UNION ALL
    SELECT indexname, indexdef FROM pg_indexes
       WHERE schemaname = 'public' AND tablename <> 'alembic_version'"""
)


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[Database]:
    """Yield a database without any table."""
    with postgres.database() as url:
        database = Database(url)
        yield database
        database.close()


def rules(database: Database) -> dict[str, str]:
    """Return the constraints and indexes of a database."""
    with database.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(RULES)}


def test_the_migrations_equal_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})

        load_tables()
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrated_constraints_equal_those_of_the_models(
    database: Database, empty: Database
) -> None:
    load_tables()
    Base.metadata.create_all(empty.engine)

    assert rules(database) == rules(empty)


def test_a_downgrade_leaves_nothing_and_can_be_taken_back(database: Database) -> None:
    before = rules(database)
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    assert behind(database)

    upgrade(database.url)
    assert rules(database) == before


@pytest.mark.slow
def test_two_processes_may_migrate_at_once(empty: Database) -> None:
    program = f"from certline.models.database.migrate import upgrade; upgrade({empty.url!r})"
    with (
        Popen([executable, "-c", program]) as first,
        Popen([executable, "-c", program]) as second,
    ):
        codes = [first.wait(60), second.wait(60)]

    assert codes == [0, 0]
    assert not behind(empty)
    with empty.engine.connect() as connection:
        assert connection.scalars(text("SELECT capacity FROM license")).all() == [1000]


def test_a_migration_that_meets_a_working_part_is_tried_again(database: Database) -> None:
    downgraded(database, "0035")  # 0036 changes "order" first, then certificate
    with ThreadPoolExecutor(1) as hand, database.engine.connect() as part:
        # So that Postgres undoes the migration, and not the part.
        part.execute(text("SET deadlock_timeout = '1h'"))
        part.execute(text("LOCK TABLE certificate IN ROW SHARE MODE"))
        migration = hand.submit(upgrade, database.url)
        until(
            lambda: part.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")), 30, 0.01
        )
        part.execute(text('LOCK TABLE "order" IN ROW SHARE MODE'))
        part.rollback()
        migration.result(60)

    assert not behind(database)


def test_an_empty_database_is_behind_until_it_is_migrated(empty: Database) -> None:
    assert behind(empty)

    upgrade(empty.url)

    assert not behind(empty)


def test_the_tables_of_a_newer_version_are_not_behind(database: Database) -> None:
    with database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    assert not behind(database)


def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    with database.transaction() as db:
        db.execute(text("UPDATE license SET capacity = 7"))

    upgrade(database.url)

    with database.transaction() as db:
        assert db.scalar(text("SELECT capacity FROM license")) == 7


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_names_of_stored_certificates_are_read_from_their_pem(database: Database) -> None:
    kinds = {**UNUSUAL, "an extension twice": ODD["an extension twice"]}
    with database.transaction() as db:
        ids = {kind: a_certificate(db, leaf=make(7)).id for kind, make in kinds.items()}
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0013")

    upgrade(database.url)

    found = read_certificates(UNUSUAL["every kind of name"](7).encode())
    with database.transaction() as db:
        names = {kind: db.get_one(Certificate, own).other_names for kind, own in ids.items()}
    assert set(names.pop("every kind of name")) == set(other_names(found[0]))
    assert set(map(tuple, names.values())) == {()}


def downgraded(database: Database, revision: str) -> None:
    """Take migrations back, down to a revision."""
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


OLD_COMMAND = text(
    """INSERT INTO command (id, type, payload, payload_sha256, requested_by, source, correlation_id, status,
                            attempts, restarts)
       VALUES (gen_random_uuid(), 'sync', '{}', '', :who, :source, '', 'done', 0, 0)"""
)


def test_systems_that_sent_commands_before_there_were_senders_may_go_on(database: Database) -> None:
    downgraded(database, "0018")
    with database.engine.begin() as connection:
        for who, source in (
            ("shop", "//shop.example"),
            ("ida", "cli"),
            ("certline", "certline"),
            ("schedule", "producer"),
        ):
            connection.execute(OLD_COMMAND, {"who": who, "source": source})

    upgrade(database.url)

    with database.transaction() as db:
        [legacy] = senders(db)
        assert (legacy.name, legacy.kind, legacy.own_only) == ("legacy", SenderKind.LEGACY, False)
        assert not legacy.limited
        # Without the commands that came after it.
        assert set(legacy.commands) == set(PUBLIC) - {"validate"}
        assert sender_with_user(db, "shop") is sender_with_user(db, None) is legacy
        assert sender_at_work_queues(db) is legacy
        query = select(Command.source).where(Command.sender == "legacy")
        assert db.scalars(query).all() == ["//shop.example"]


def test_an_installation_that_no_system_has_sent_to_gets_no_sender(database: Database) -> None:
    downgraded(database, "0018")
    with database.engine.begin() as connection:
        connection.execute(OLD_COMMAND, {"who": "ida", "source": "cli"})

    upgrade(database.url)

    with database.transaction() as db:
        assert senders(db) == []


def test_from_the_first_sender_on_the_legacy_sender_needs_a_user(database: Database) -> None:
    with database.transaction() as db:
        a_sender(db, name="legacy", amqp_user=None, kind=SenderKind.LEGACY)
        a_sender(db, name="shop", amqp_user="shop")

    with database.transaction() as db:
        assert sender_with_user(db, None) is None
        assert sender_at_work_queues(db) is None
        found = [sender_with_user(db, user) for user in ("bank", "shop")]
        assert [sender and sender.name for sender in found] == ["legacy", "shop"]
