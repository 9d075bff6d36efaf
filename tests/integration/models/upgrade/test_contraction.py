"""Tests that migrations newer than the last release expand, and that what contracts is found and declared."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from certline.models import Database
from certline.models.database.migrate import _config
from tests.integration.models.upgrade.contraction import contractions
from tests.integration.models.upgrade.declared import DECLARED
from tests.integration.models.upgrade.schema import Schema, schema_of
from tests.servers import PostgresServer
from tests.support.last_release import last_release


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[Database]:
    """Yield a database without any table."""
    with postgres.database() as url:
        database = Database(url)
        yield database
        database.close()


def migrated(database: Database, revision: str) -> Schema:
    """Migrate a database up to a revision, and return its schema."""
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        return schema_of(connection)


def later_than(revision: str) -> list[str]:
    """Return the revisions after this one, in the sequence in which they are applied."""
    scripts = ScriptDirectory.from_config(_config())
    return [each.revision for each in scripts.iterate_revisions("head", revision)][::-1]


def number(version: str) -> tuple[int, ...]:
    """Return a version for comparison."""
    return tuple(int(part) for part in version.split("."))


def test_what_the_last_release_uses_is_still_there(empty: Database) -> None:
    last = last_release()
    found: set[tuple[str, str]] = set()
    before = migrated(empty, last.migration)
    for revision in later_than(last.migration):
        after = migrated(empty, revision)
        found |= {(revision, each) for each in contractions(before, after)}
        before = after

    undeclared = sorted(found - DECLARED.keys())
    assert undeclared == [], (
        f"parts of {last.version} may fail beside this version: see tests/integration/models/upgrade/declared.py"
    )
    assert sorted(DECLARED.keys() - found) == []
    for (revision, each), coping in DECLARED.items():
        assert number(coping.since) <= number(last.version), (revision, each)


TABLE = """
CREATE TABLE dish (
    id integer PRIMARY KEY, name text NOT NULL DEFAULT '', kind varchar(16) NOT NULL, price integer,
    CONSTRAINT dish_kind CHECK (kind IN ('soup', 'cake'))
);
CREATE UNIQUE INDEX dish_name ON dish (name);
CREATE VIEW menu AS SELECT id, name FROM dish;
CREATE FUNCTION cook() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION serve() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TRIGGER cooked BEFORE INSERT ON dish FOR EACH ROW EXECUTE FUNCTION cook();
"""

OTHER_KINDS = """
ALTER TABLE dish DROP CONSTRAINT dish_kind, ADD CONSTRAINT dish_kind CHECK (kind IN ({}))
"""

EXPANDING = """
CREATE TABLE guest (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
ALTER TABLE dish ADD COLUMN note text;
ALTER TABLE dish ADD COLUMN hot boolean NOT NULL DEFAULT false;
ALTER TABLE dish ADD COLUMN size varchar(16) NOT NULL DEFAULT 's' CHECK (size IN ('s', 'l'));
ALTER TABLE dish ADD COLUMN guest_id integer REFERENCES guest (id);
ALTER TABLE dish ALTER COLUMN kind DROP NOT NULL;
CREATE INDEX dish_price ON dish (price);
CREATE FUNCTION eat() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE OR REPLACE FUNCTION serve() RETURNS integer LANGUAGE sql AS 'SELECT 2';
"""

CONTRACTING = {
    "DROP TABLE dish CASCADE": ["table dish is gone", "view menu is gone"],
    "DROP VIEW menu": ["view menu is gone"],
    "ALTER TABLE dish DROP COLUMN price": ["column dish.price is gone"],
    "ALTER TABLE dish RENAME COLUMN price TO cost": ["column dish.price is gone"],
    "ALTER TABLE dish ALTER COLUMN price TYPE smallint": [
        "column dish.price was integer and is smallint"
    ],
    "ALTER TABLE dish ALTER COLUMN price SET NOT NULL": ["column dish.price refuses NULL"],
    "ALTER TABLE dish ALTER COLUMN name DROP DEFAULT": ["column dish.name has lost its default"],
    "ALTER TABLE dish ADD COLUMN note text NOT NULL": [
        "column dish.note is new, refuses NULL and has no default"
    ],
    "ALTER TABLE dish ADD CHECK (price > 0)": [
        "rule dish.dish_price_check is new: CHECK ((price > 0))"
    ],
    "ALTER TABLE dish ADD COLUMN note text DEFAULT '' UNIQUE": [
        "rule dish.dish_note_key is new: UNIQUE (note)"
    ],
    "CREATE UNIQUE INDEX once ON dish (price)": [
        "rule dish.once is new: CREATE UNIQUE INDEX once ON public.dish USING btree (price)"
    ],
    "DROP INDEX dish_name": [
        "rule dish.dish_name is gone: CREATE UNIQUE INDEX dish_name ON public.dish USING btree (name)"
    ],
    "DROP FUNCTION serve()": ["function serve() is gone"],
    "DROP TRIGGER cooked ON dish": ["trigger dish.cooked is gone or another one"],
    "CREATE TRIGGER again BEFORE UPDATE ON dish FOR EACH ROW EXECUTE FUNCTION cook()": [
        "trigger dish.again is new"
    ],
}


def change(database: Database, statements: str) -> list[str]:
    """Return the contractions of these statements on the table of the example."""
    with database.engine.begin() as connection:
        connection.execute(text(TABLE))
        before = schema_of(connection)
        connection.execute(text(statements))
        return contractions(before, schema_of(connection))


def test_what_expands_is_none(empty: Database) -> None:
    assert change(empty, EXPANDING) == []


@pytest.mark.parametrize("statement", CONTRACTING)
def test_what_contracts_is_found(empty: Database, statement: str) -> None:
    assert change(empty, statement) == CONTRACTING[statement]


def test_further_values_are_found(empty: Database) -> None:
    said = change(empty, OTHER_KINDS.format("'soup', 'cake', 'tea'"))

    assert said == ["rule dish.dish_kind has new values: tea"]


def test_fewer_values_are_found(empty: Database) -> None:
    said = change(empty, OTHER_KINDS.format("'soup', 'tea'"))

    assert said[0] == "rule dish.dish_kind has new values: tea"
    assert said[1].startswith("rule dish.dish_kind is another one: CHECK (")


@pytest.mark.parametrize(
    ("before", "revision", "found"),
    [
        ("0031", "0032", "column metric_sample.id is gone"),
        ("0031", "0032", "column auto_renew_decision.code is new, refuses NULL and has no default"),
    ],
)
def test_a_migration_of_the_past_that_contracted_is_found(
    empty: Database, before: str, revision: str, found: str
) -> None:
    was = migrated(empty, before)

    assert found in contractions(was, migrated(empty, revision))


@pytest.mark.slow
def test_the_last_release_knows_the_migrations_that_it_is_said_to_know() -> None:
    scripts = ScriptDirectory.from_config(_config())
    known = {
        str(each.path).rpartition("/")[2]
        for each in scripts.iterate_revisions(last_release().migration, "base")
    }

    assert last_release().migrations() - {"__init__.py"} == known
