"""Every page of the board: one line for each room."""

from starlette.routing import BaseRoute

from certline.board.pages import today
from certline.board.pages.calendar import day, subscription, year
from certline.board.pages.estate import certificate, certificates, order, orders
from certline.board.pages.operations import (
    audit,
    commands,
    dead_letters,
    hooks,
    schedules,
    webhooks,
)
from certline.board.pages.renewals import batches, decisions, overview, runs
from certline.board.pages.scm import accounts, domain, domains, entry, organizations, profiles

MODULES = (
    today,
    *(day, subscription, year),
    *(certificate, certificates, order, orders),
    *(organizations, domains, profiles, accounts, domain, entry),
    *(overview, runs, decisions, batches),
    *(commands, dead_letters, hooks, webhooks, schedules, audit),
)


def page_routes() -> list[BaseRoute]:
    """Return the routes of all pages."""
    return [route for module in MODULES for route in module.ROUTES]
