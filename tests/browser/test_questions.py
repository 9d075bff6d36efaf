"""What somebody who never saw the command line finds out on the board, by its links and forms alone."""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser, expect

from certline.models import Database
from tests.browser.browser import Watched
from tests.browser.hospital import CERTIFICATES, open_hospital
from tests.support.board_role import board_login
from tests.support.board_window import a_board

# Milliseconds; a line that is busy counts a year anew.
PATIENCE = 30_000


@pytest.fixture
def watched(browser: Browser, database: Database, database_url: str) -> Iterator[Watched]:
    """Yield a window to a board of the hospital, which begins at Today."""
    database.run(open_hospital)
    with board_login(database_url) as url, a_board(url) as board:
        window = Watched(browser, board.url, viewport={"width": 1280, "height": 900})
        window.page.set_default_timeout(PATIENCE)
        window.open("/")
        yield window
        assert window.complaints == []
        assert window.violations() == []
        window.close()


def test_which_certificates_of_the_hospital_end_in_a_month(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("link", name="Certificates", exact=True).click()
    page.get_by_label("Organisation").select_option(label="Nordhafen Hospital")
    month = page.get_by_label("Ends in")
    label = month.locator("option").nth(3).inner_text()
    month.select_option(index=3)
    page.get_by_role("button", name="Show").click()

    rows = page.locator("tbody tr")
    expect(rows.first).to_be_visible()
    assert rows.count() >= 1
    value = page.get_by_label("Ends in").input_value()
    ends = rows.locator("time").evaluate_all("all => all.map(each => each.dateTime)")
    assert any(each.startswith(value[:7]) for each in ends), f"{label}: {ends}"
    names = rows.locator("td:first-child").all_inner_texts()
    assert all(int(re.sub(r"\D", "", name) or 0) <= CERTIFICATES for name in names)


def test_why_www_was_renewed_and_by_whom(watched: Watched) -> None:
    page = watched.page
    page.get_by_label("Search certificates").fill("www.nordhafen.example")
    page.get_by_role("search").get_by_role("button", name="Search").click()
    page.locator("tbody a", has_text="www.nordhafen.example").first.click()

    expect(page.locator("main h1")).to_contain_text("www.nordhafen.example")
    story = page.locator("main")
    expect(story).to_contain_text("os:amelie")
    expect(story).to_contain_text("renewal requested for the new ward")
    watched.keep("certificate")


def test_how_many_renewals_the_busiest_day_has_under_47_days(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("link", name="Calendar", exact=True).click()
    expect(page.locator("[data-counting]")).to_have_count(0)
    watched.keep("board-calendar")
    page.get_by_role("link", name="47 days").click()

    expect(page.locator("main")).to_contain_text(re.compile(r"[Bb]usiest day"))
    assert "what_if=47" in page.url


def test_is_the_line_well_and_what_waits(watched: Watched) -> None:
    page = watched.page

    expect(page.get_by_role("heading", name="Is the line well?")).to_be_visible()
    expect(page.locator("main")).to_contain_text("No part of the line runs")
    expect(page.get_by_role("heading", name="What waits for a person")).to_be_visible()
    watched.keep("board-today")


def test_a_day_of_the_calendar_opens_its_list(watched: Watched) -> None:
    page = watched.page
    page.get_by_role("link", name="Calendar", exact=True).click()
    page.locator("main li a").first.click()

    expect(page.locator("tbody tr").first).to_be_visible()
    assert date.fromisoformat(page.url.rpartition("/")[2]) >= date.today()  # noqa: DTZ011  # days


def test_every_page_can_be_reached_by_the_keyboard(watched: Watched) -> None:
    page = watched.page
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page.locator("main h1")).to_have_text("Certificates")
    page.keyboard.press("/")
    page.keyboard.type("lab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("search=lab"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert watched.obstacles() == []
