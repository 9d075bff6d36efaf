"""Each page of the board in a browser: it can be read by everybody, and asks nobody but the board."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.browser import Watched
from tests.support.board_window import BoardWindow, a_board

PHONE, DESK, WALL = (
    {"width": 375, "height": 720},
    {"width": 1280, "height": 900},
    {"width": 2560, "height": 1440},
)


@pytest.fixture
def board(database_url: str) -> Iterator[BoardWindow]:
    """Yield a board of an empty installation."""
    with a_board(database_url) as window:
        yield window


@pytest.mark.parametrize(
    ("size", "colours"),
    [(PHONE, "dark"), (DESK, "light"), (WALL, "dark")],
    ids=["phone", "desk", "wall"],
)
def test_an_empty_installation_says_on_each_page_what_to_do_first(
    browser: Browser, board: BoardWindow, size: dict[str, int], colours: str
) -> None:
    watched = Watched(browser, board.url, viewport=size, color_scheme=colours)
    try:
        for path in menu(watched):
            watched.open(path)
            assert watched.page.locator("main h1").count() == 1
            assert watched.violations() == []
            assert watched.obstacles() == []
            assert watched.overflows() == [], path
        assert watched.complaints == []
        assert watched.strangers() == set()
    finally:
        watched.close()


def menu(watched: Watched) -> list[str]:
    """Return the addresses of the menu's entries."""
    links = watched.open("/organizations").locator("nav a").all()
    found = [link.get_attribute("href") or "" for link in links]
    assert len(found) >= 1
    return found
