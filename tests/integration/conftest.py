"""A database of the test's own; folders whose tests need more connections, or fewer, have theirs."""

from collections.abc import Iterator

import pytest

from certline.models import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's database."""
    database = Database(database_url)
    yield database
    database.close()
