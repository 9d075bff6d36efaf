"""Fixture `board`: a board that serves the test's database."""

from collections.abc import Iterator

import pytest

from tests.support.board_role import board_login
from tests.support.board_window import BoardWindow, a_board


@pytest.fixture
def board(database_url: str) -> Iterator[BoardWindow]:
    """Yield a window to a board of the test's database, which logs in as the role that can only read."""
    with board_login(database_url) as url, a_board(url) as window:
        yield window
