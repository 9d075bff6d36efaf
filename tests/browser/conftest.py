"""Fixtures of the tests in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from certline.models import Database
from tests.browser.browser import chromium
from tests.servers.discovery import this_machine
from tests.servers.runtimes import CHROMIUM, is_fault, missing


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium. Without it the test fails on CI, and is skipped elsewhere with what to install.

    For a module only: the thread that runs Playwright has an event loop, beside which others can have none.
    """
    lacks = missing(CHROMIUM)
    if lacks is not None:
        give_up = pytest.fail if is_fault(CHROMIUM, this_machine()) else pytest.skip
        give_up(f"The board is not tested in a browser: {lacks}")
    with chromium() as program:
        yield program


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the test's own database."""
    opened = Database(database_url, pool_size=2)
    yield opened
    opened.close()
