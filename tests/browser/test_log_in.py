"""The board's log-in in a browser: who has no password sees nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from certline.board.access.policy import access_policy
from certline.board.access.users_file import UsersFile
from tests.browser.browser import Watched
from tests.support.board_window import a_board

PASSWORD = "a long enough password"  # of the test's user


@pytest.fixture
def watched(browser: Browser, database_url: str, tmp_path: Path) -> Iterator[Watched]:
    """Yield a window to a board that only ida may look at."""
    users = UsersFile(tmp_path / "users")
    users.add("ida", PASSWORD)
    with a_board(database_url, access_policy("127.0.0.1", users)) as board:
        window = Watched(browser, board.url)
        yield window
        assert window.violations() == []
        window.close()


def test_who_is_not_logged_in_is_asked_and_comes_to_the_page_that_was_wanted(
    watched: Watched,
) -> None:
    page = watched.open("/organizations?name=hospital")
    expect(page.get_by_label("Name")).to_be_focused()
    assert watched.obstacles() == []

    page.get_by_label("Name").fill("ida")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()

    expect(page).to_have_url(re.compile(r"/organizations\?name=hospital"))
    expect(page.locator("#leave")).to_contain_text("ida")
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Strict"


def test_a_wrong_password_is_refused_and_guessing_is_slowed_down(watched: Watched) -> None:
    page = watched.open("/")
    for _ in range(12):
        page.get_by_label("Name").fill("ida")
        page.get_by_label("Password").fill("guessed")
        page.get_by_role("button", name="Log in").click()
        fault = page.get_by_role("alert").and_(page.locator("#fault"))
        expect(fault).to_be_visible()
        if "Too many" in fault.inner_text():
            break

    expect(page.locator("#fault")).to_contain_text("Too many failed log-ins")
    assert watched.obstacles() == []
    assert page.request.get("/orders?format=json", max_redirects=0).status in (303, 401)


def test_who_logs_out_sees_nothing_any_more(watched: Watched) -> None:
    page = watched.open("/")
    page.get_by_label("Name").fill("ida")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("main h1")).to_have_text("Today")

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto("/orders")
    expect(page.get_by_label("Password")).to_be_visible()
