"""The board beside a line that works: what happens is seen without loading a page again."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, expect

from certline.models import OrderStatus
from certline.models.orders.order import order_of_command
from certline.simulator.server import Simulator
from tests.browser.browser import Watched
from tests.support.board_window import a_board
from tests.support.deployment import Plant

# Milliseconds for the board to show what has happened: it asks every five seconds.
SOON = 30_000


@pytest.fixture
def plant(database_url: str, vhost: str, simulator: Simulator) -> Iterator[Plant]:
    """Yield a line with a worker, a relay and a producer, and the simulator's account."""
    with Plant(database_url, vhost) as line:
        line.start_all()
        line.add_account(simulator.url)
        yield line


@pytest.fixture
def watched(browser: Browser, database_url: str) -> Iterator[Watched]:
    """Yield a browser's window to a board of the line, in the time zone of Berlin."""
    with a_board(database_url) as board:
        window = Watched(browser, board.url, timezone_id="Europe/Berlin")
        yield window
        assert window.complaints == []
        assert window.violations() == []
        window.close()


def test_an_order_is_followed_from_placed_to_stored_while_it_happens(
    plant: Plant, watched: Watched, simulator: Simulator
) -> None:
    settings = f"{simulator.door}/settings"
    requests.post(settings, json={"auto_approve": False}, timeout=30).raise_for_status()
    command = plant.place("www.nordhafen.example")
    plant.certline("command", "wait", command.id, expect=3)  # it waits for its approval at SCM
    with plant.database.transaction() as db:
        order = order_of_command(db, command.id)
    assert order is not None

    page = watched.open(f"/orders/{order.id}")
    status = page.locator("#order .badge").first
    expect(status).to_contain_text("pending", timeout=SOON)
    page.evaluate("window.here = 'the same page'")
    requests.post(f"{simulator.door}/orders/{order.scm_id}/approve", timeout=30).raise_for_status()
    expect(status).to_contain_text("stored", timeout=SOON)

    assert page.evaluate("window.here") == "the same page"
    assert plant.status(command) is OrderStatus.STORED
    assert page.locator("#order time").first.get_attribute("title") is not None
    watched.keep("order-stored")


def test_a_page_says_since_when_it_has_lost_the_line_and_finds_it_again(
    plant: Plant,  # noqa: ARG001  # a line of which there is something to see
    watched: Watched,
) -> None:
    page = watched.open("/")
    lost = page.locator("#lost")

    page.route("**/live", lambda route: route.abort())
    expect(lost).to_contain_text("lost since", timeout=SOON)
    watched.complaints.clear()  # of the connection that the test has cut
    page.unroute("**/live")
    expect(lost).to_be_hidden(timeout=SOON)
