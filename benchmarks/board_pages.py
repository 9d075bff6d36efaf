"""What each page of the board takes on an estate: CPU of the board, and seconds until its first byte."""

import statistics
import time
from dataclasses import dataclass

import requests

from certline.board.access.policy import access_policy
from certline.board.app import build_app
from certline.board.context import open_context
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
)


@dataclass(frozen=True)
class PageCost:
    """What a page costs. `first_byte`, `cpu`: seconds, the medians; `cpu`: of the board and of who asks it,
    which are one process, without Postgres.
    """

    first_byte: float
    cpu: float


def page_costs(url: str, order: str, certificate: str) -> dict[str, PageCost]:
    """Return the cost of each page of an estate, by its address. Exits if a page is not there."""
    addresses = [str(getattr(route, "path", "")) for route in page_routes()]
    fixed = [each for each in addresses if each and "{" not in each]
    paths = [*fixed, *NARROWED, links.order(order), links.certificate(certificate)]
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


def _cost_of(session: requests.Session, address: str) -> PageCost:
    found = []
    for _ in range(REQUESTS + 1):
        cpu, begun = time.process_time(), time.monotonic()
        with session.get(address, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            next(answer.iter_content(1), b"")
            first_byte = time.monotonic() - begun
            answer.content  # noqa: B018  # the rest, so that the connection is used again
        found.append(PageCost(first_byte, time.process_time() - cpu))
    return PageCost(
        statistics.median(each.first_byte for each in found[1:]),
        statistics.median(each.cpu for each in found[1:]),
    )
