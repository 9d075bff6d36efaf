"""Fixtures: a database whose clock moves."""

from collections.abc import Iterator

import pytest

from tests.support.movable_clock import MovedDatabase, moved_database


@pytest.fixture
def moved(database_url: str) -> Iterator[MovedDatabase]:
    """Yield a database whose clock can be set."""
    with moved_database(database_url) as database:
        yield database
