"""Fixture `database`; folders whose tests need more connections, or fewer, define their own."""

from collections.abc import Iterator

import pytest

from certline.models import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's database."""
    database = Database(database_url)
    yield database
    database.close()
