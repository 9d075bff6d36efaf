"""What an address asks of the calendar: of whom it is, and for how many days certificates are valid in it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

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

    def what_if(self, lifetime: int) -> tuple[WhatIf, Estate]:
        """Return the year with certificates that are valid for so many days, shared as well."""
        kept, settings = self.asked.board.kept, self.asked.board.settings

        def find(db: Session) -> tuple[WhatIf, Estate]:
            estate = kept.get(db, "estate", estate_of)
            rates = {"rate_read": settings.rate_read, "rate_order": settings.rate_order}
            return what_if(estate, lifetime, **rates), estate

        return kept.get(self.asked.db, ("what if", lifetime), find)
