"""What an address asks of the calendar: of whom it is, and for how many days certificates are valid in it."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.board.context import BoardContext
from certline.board.pages.estate import places
from certline.board.web.filters import UrlFilter, Wanted, wanted_of
from certline.board.web.page_request import PageRequest
from certline.models.calendar.place import CalendarFilter
from certline.models.calendar.what_if import Estate, WhatIf, estate_of, what_if
from certline.models.calendar.year import CalendarYear, year_ahead

# Lifetimes of CA/Browser Forum ballot SC-081v3, and the days from which each is the longest one.
LIFETIMES = {"200": "since 2026-03-15", "100": "from 2027-03-15", "47": "from 2029-03-15"}
WHAT_IF = UrlFilter(
    "what_if",
    "What if they were valid for",
    choices=tuple((days, f"{days} days ({since})") for days, since in LIFETIMES.items()),
)
FILTERS = (*places.FILTERS, WHAT_IF)
# Seconds for which a page waits for numbers; without them it says that they are being counted.
PATIENCE = 0.02


class CalendarRequest:
    """An address of the calendar, read. Raises BadFilterError for values that make no sense."""

    def __init__(self, asked: PageRequest, filters: Sequence[UrlFilter] = FILTERS) -> None:
        self.asked = asked
        given = asked.request.query_params
        self.wanted: Wanted = wanted_of(given, filters, [])
        narrowed: dict[str, Any] = places.narrowing_of(asked.db, self.wanted)
        self.filter = CalendarFilter(
            narrowed.get("account_id"),
            tuple(narrowed["organizations"]) if "organizations" in narrowed else None,
            tuple(narrowed["profiles"]) if "profiles" in narrowed else None,
        )

    @property
    def lifetime(self) -> int | None:
        """The days of the what-if, or None."""
        given = self.wanted[WHAT_IF.name]
        return None if given is None else int(given)

    def year(self) -> CalendarYear:
        """Return the coming year, which all requests share for some minutes."""
        kept = self.asked.board.kept
        return kept.get(self.asked.db, self.filter, lambda db: year_ahead(db, self.filter))

    def is_counted(self) -> bool:
        """Return True if all numbers are there, False while they are still being counted."""
        kept, until = self.asked.board.kept, time.monotonic() + PATIENCE
        lifetime, simulated = self.lifetime, None
        if lifetime is not None:
            simulated = self._what_if_soon(lifetime, 0.0)  # it begins beside the other
        year = kept.soon(self.filter, lambda db: year_ahead(db, self.filter), PATIENCE)
        if lifetime is not None and simulated is None:
            simulated = self._what_if_soon(lifetime, max(0.0, until - time.monotonic()))
        return year is not None and (lifetime is None or simulated is not None)

    def what_if(self, lifetime: int) -> tuple[WhatIf, Estate]:
        """Return the year with certificates that are valid for so many days, shared as well."""
        board = self.asked.board
        return board.kept.get(self.asked.db, _key(lifetime), lambda db: _of(board, db, lifetime))

    def _what_if_soon(self, lifetime: int, patience: float) -> tuple[WhatIf, Estate] | None:
        board = self.asked.board
        return board.kept.soon(_key(lifetime), lambda db: _of(board, db, lifetime), patience)


def count_ahead(board: BoardContext) -> None:
    """Start to count what most people ask for first, so that nobody waits for it."""
    whole = CalendarFilter()
    board.kept.soon(whole, lambda db: year_ahead(db, whole), 0)
    for days in map(int, LIFETIMES):
        board.kept.soon(_key(days), partial(_of, board, lifetime=days), 0)


def _key(lifetime: int) -> tuple[str, int]:
    return "what if", lifetime


def _of(board: BoardContext, db: Session, lifetime: int) -> tuple[WhatIf, Estate]:
    estate = board.kept.get(db, "estate", estate_of)
    rates = {"rate_read": board.settings.rate_read, "rate_order": board.settings.rate_order}
    return what_if(estate, lifetime, **rates), estate
