"""Each kind of page with rows that are hard to show, and each filter, in a browser."""

import re
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from certline.models import Database
from tests.browser.browser import Watched
from tests.integration.board.stock import stock
from tests.support.board_role import board_login
from tests.support.board_window import BoardWindow, a_board

# Parts of addresses that name one thing of many.
OWN = re.compile(r"/(?:[0-9A-Z]{26}|[0-9a-f-]{36}|\d+|\d{4}-\d\d-\d\d)(?=/|$)")


@pytest.fixture
def board(database: Database, database_url: str) -> Iterator[BoardWindow]:
    """Yield a board with rows of each kind, which logs in as the role that can only read."""
    database.run(stock)
    with board_login(database_url) as url, a_board(url) as window:
        yield window


@pytest.mark.parametrize(
    ("width", "colours"), [(375, "light"), (1920, "dark")], ids=["phone", "wall"]
)
def test_each_kind_of_page_can_be_read_by_everybody(
    browser: Browser, board: BoardWindow, width: int, colours: Literal["light", "dark"]
) -> None:
    size = {"width": width, "height": 720}
    watched = Watched(browser, board.url, viewport=size, color_scheme=colours)
    seen: dict[str, str] = {}
    waiting = ["/"]
    while waiting:
        path = waiting.pop()
        watched.open(path)
        assert watched.violations() == [], path
        assert watched.obstacles() == [], path
        assert watched.overflows() == [], path
        for link in watched.page.locator("main a[href^='/'], nav a[href^='/']").all():
            found = urlsplit(link.get_attribute("href") or "").path
            kind = OWN.sub("/*", found)
            if kind not in seen and not found.endswith((".ics", "/GONE")):
                seen[kind] = found
                waiting.append(found)

    assert len(seen) >= 20, seen
    assert watched.complaints == []
    assert watched.strangers() == set()
    watched.close()


@pytest.mark.parametrize("path", ["/certificates", "/orders", "/domains", "/commands", "/audit"])
def test_a_list_on_a_phone_is_not_wider_than_the_phone(
    browser: Browser, board: BoardWindow, path: str
) -> None:
    watched = Watched(browser, board.url, viewport={"width": 390, "height": 844})
    page = watched.open(path)
    width = page.evaluate(
        "(table => [table.scrollWidth, table.clientWidth])(document.querySelector('.table'))"
    )
    watched.close()

    assert width[0] <= width[1]


@pytest.mark.parametrize("path", ["/", "/certificates", "/orders", "/domains", "/commands"])
def test_a_page_is_printed_on_a4_with_nothing_cut_off(
    browser: Browser, board: BoardWindow, path: str
) -> None:
    watched = Watched(browser, board.url, viewport={"width": 720, "height": 1040})
    page = watched.open(path)
    page.emulate_media(media="print")

    cut = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(each => "
        "each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
        ".map(each => `${each.tagName}.${each.className} ${each.textContent.slice(0, 40)}`)"
    )
    assert cut == []
    assert not page.locator("#menu").is_visible()
    watched.close()


def test_each_filter_of_each_list_can_be_used(browser: Browser, board: BoardWindow) -> None:
    watched = Watched(browser, board.url)
    used = 0
    for path in [each for each in menu(watched) if filters_of(watched, each)]:
        for name in filters_of(watched, path):
            watched.open(path)
            field = watched.page.locator(f"#filters [name='{name}']")
            if field.evaluate("each => each.tagName") == "SELECT":
                options = field.locator("option:not([value=''])")
                if not options.count():
                    continue
                field.select_option(value=options.last.get_attribute("value"))
            else:
                field.fill(FILLED.get(name) or FILLED[field.get_attribute("type") or "text"])
            with watched.page.expect_navigation() as answer:
                watched.page.locator("#filters button[type=submit]").click()
            assert answer.value.ok, f"{path} {name}: {answer.value.status}"
            assert f"{name}=" in watched.page.url
            used += 1

    assert used >= 20
    assert watched.complaints == []
    watched.close()


# By the field's name or its kind.
FILLED = {
    "since": "2026-05-01",
    "until": "2027-05-01",
    "text": "www",
    "search": "www",
    "number": "30",
    "date": "2027-05-01",
    "datetime-local": "2027-05-01T12:00",
}


def menu(watched: Watched) -> list[str]:
    """Return the addresses of the menu's entries."""
    links = watched.open("/").locator("nav#menu a").all()
    return [link.get_attribute("href") or "" for link in links]


def filters_of(watched: Watched, path: str) -> list[str]:
    """Return the names of the filters of a list."""
    fields = watched.open(path).locator("#filters select, #filters input:not([type=checkbox])")
    return [field.get_attribute("name") or "" for field in fields.all()]
