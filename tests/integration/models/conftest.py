"""Fixture: a database of the test's own, with the newest schema."""

from collections.abc import Iterator

import pytest

from certline.models import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database, with connections for twenty threads."""
    database = Database(database_url, pool_size=20)
    yield database
    database.close()
