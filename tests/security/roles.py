"""Roles of Postgres for tests: made beside the test's database, and dropped with all their rights."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from certline.models import Database
from certline.models.audit.chain import breaks_in
from certline.models.database.app_role import grant_rights, prepare_role

PASSWORD = "only-for-this-test"


def url_as(url: str, role: str) -> str:
    """Return the database's URL for a role."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{role}:{PASSWORD}@{parts.hostname}:{parts.port}").geturl()


@contextmanager
def a_role_name(url: str) -> Iterator[str]:
    """Yield the name of a role that does not exist yet; whatever was made of it is dropped afterwards."""
    name = f"certline_test_{uuid4().hex[:12]}"
    yield name
    with psycopg.connect(url, autocommit=True) as owner:
        drop = [sql.SQL("DROP OWNED BY {} CASCADE"), sql.SQL("DROP ROLE {}")]
        for statement in drop:
            with suppress(psycopg.errors.UndefinedObject):
                owner.execute(statement.format(sql.Identifier(name)))


def run(url: str, *statements: str) -> None:
    """Run statements in one transaction. Raises psycopg.Error."""
    with psycopg.connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def whole(url: str) -> bool:
    """Return True if the audit log has no break."""
    owner = Database(url, pool_size=1)
    try:
        return not owner.run(lambda db: list(breaks_in(db)))
    finally:
        owner.close()


@pytest.fixture
def app_role(database_url: str) -> Iterator[str]:
    """Yield the name of an app role that `certline init` has prepared."""
    with a_role_name(database_url) as role:
        owner = Database(database_url, pool_size=1)
        with owner.engine.begin() as connection:
            prepare_role(connection, role, PASSWORD)
            grant_rights(connection, role)
        owner.close()
        yield role


@pytest.fixture
def app_url(database_url: str, app_role: str) -> str:
    """Return the URL of the test's database for the app role."""
    return url_as(database_url, app_role)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, as its owner."""
    owner = Database(database_url)
    yield owner
    owner.close()
