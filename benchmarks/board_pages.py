"""What each page of the board takes on an estate: CPU of the board, and seconds until its first byte."""

import statistics
import time
from dataclasses import dataclass

import requests

from certline.board.access.policy import access_policy
from certline.board.app import build_app
from certline.board.context import open_context
from certline.board.pages.calendar.calendar_request import LIFETIMES
from certline.board.pages.registry import page_routes
from certline.board.server import listen, serving, url_of
from certline.board.web import links
from certline.models.settings import Settings

# Requests of which the median is taken, after one that compiles statements and templates.
REQUESTS = 5
# Lists that are narrowed as people do, besides each page that needs no id.
NARROWED = (
    links.narrowed(links.ORDERS, status="stored"),
    links.narrowed(links.ORDERS, search="host77"),
    links.narrowed(links.CERTIFICATES, search="host77"),
    links.narrowed(links.CERTIFICATES, ends_within=30),
    links.narrowed(links.DOMAINS, under_way="yes"),
)
# Domains of the estate, each with a hundredth of its certificates below it.
DOMAIN, ANOTHER = links.domain(1, 7), links.domain(1, 8)
# Pages whose numbers are kept for minutes: asked of a board that has counted nothing yet.
COLD = (
    DOMAIN,
    links.CALENDAR,
    *(links.narrowed(links.CALENDAR, what_if=days) for days in LIFETIMES),
)
# A page without its numbers yet, and seconds until they have to be there.
COUNTING, MOST_COUNTING = b"data-counting", 120


@dataclass(frozen=True)
class PageCost:
    """What a page costs. `first_byte`, `cpu`: seconds, the medians; `cpu`: of the board and of who asks it,
    which are one process, without Postgres. `numbers`: seconds until a page has them that is asked first of all.
    """

    first_byte: float
    cpu: float
    numbers: float | None = None


def page_costs(url: str, order: str, certificate: str) -> dict[str, PageCost]:
    """Return the cost of each page of an estate, by its address. Exits if a page is not there."""
    addresses = [str(getattr(route, "path", "")) for route in page_routes()]
    fixed = [each for each in addresses if each and "{" not in each]
    paths = [*fixed, *NARROWED, links.order(order), links.certificate(certificate), DOMAIN]
    board = open_context(Settings(database_url=url))
    listener = listen("127.0.0.1", 0)
    try:
        with (
            serving(build_app(board, access_policy("127.0.0.1")), listener),
            requests.Session() as session,
        ):
            session.trust_env = False
            base = url_of(listener).rstrip("/")
            return {path: _cost_of(session, f"{base}{path}") for path in paths}
    finally:
        board.close()


def cold_costs(url: str) -> dict[str, PageCost]:
    """Return the cost of pages by their address if they are the first that a board is asked for its numbers."""
    found = {}
    for path in COLD:
        board = open_context(Settings(database_url=url))
        listener = listen("127.0.0.1", 0)
        try:
            with (
                serving(build_app(board, access_policy("127.0.0.1")), listener),
                requests.Session() as session,
            ):
                session.trust_env = False
                base = url_of(listener).rstrip("/")
                # Opens connections and compiles statements, and waits until the numbers of that page are there.
                _cold_cost(session, base + (ANOTHER if path == DOMAIN else links.DOMAINS))
                found[path] = _cold_cost(session, base + path)
        finally:
            board.close()
    return found


def _cold_cost(session: requests.Session, address: str) -> PageCost:
    begun = time.monotonic()
    first, text = _once(session, address)
    while COUNTING in text:
        if time.monotonic() - begun > MOST_COUNTING:
            raise TimeoutError(f"{address} has no numbers after {MOST_COUNTING} s")
        time.sleep(0.05)
        _, text = _once(session, address)
    return PageCost(first.first_byte, first.cpu, time.monotonic() - begun)


def _cost_of(session: requests.Session, address: str) -> PageCost:
    found = [_once(session, address)[0] for _ in range(REQUESTS + 1)]
    return PageCost(
        statistics.median(each.first_byte for each in found[1:]),
        statistics.median(each.cpu for each in found[1:]),
    )


def _once(session: requests.Session, address: str) -> tuple[PageCost, bytes]:
    """Return what one request for a page costs, and the page."""
    cpu, begun = time.process_time(), time.monotonic()
    with session.get(address, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        pieces = answer.iter_content(65_536)
        start = next(pieces, b"")
        first_byte = time.monotonic() - begun
        text = start + b"".join(pieces)
    return PageCost(first_byte, time.process_time() - cpu), text
