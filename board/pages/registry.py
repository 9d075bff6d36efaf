"""Every page of the board: one line for each module."""

from starlette.routing import BaseRoute

from certline.board.pages import (
    organizations,
    today,
)
from certline.board.pages.calendar import day, feed, year
from certline.board.pages.estate import certificate, certificates, order, orders

MODULES = (
    today,
    day,
    feed,
    year,
    certificate,
    certificates,
    order,
    orders,
    organizations,
)


def page_routes() -> list[BaseRoute]:
    """Return the routes of all pages."""
    return [route for module in MODULES for route in module.ROUTES]
