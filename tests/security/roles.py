"""Roles of Postgres for tests: made beside the test's database, and dropped with all their rights."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

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
