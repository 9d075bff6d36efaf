"""Fixture `board`: a board that serves the test's database."""

from collections.abc import Iterator

import pytest

from tests.support.board_window import BoardWindow, a_board


@pytest.fixture
def board(database_url: str) -> Iterator[BoardWindow]:
    """Yield a window to a board of the test's database."""
    with a_board(database_url) as window:
        yield window
