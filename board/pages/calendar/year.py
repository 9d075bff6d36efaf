"""The page of the calendar: a year ahead by day, with cliffs named and the year of shorter lifetimes."""

from datetime import date
from typing import Any

from certline.board.pages.calendar.calendar_request import (
    FILTERS,
    LIFETIMES,
    WHAT_IF,
    CalendarRequest,
)
from certline.board.pages.calendar.heat_map import DayNumbers, HeatDay, months_of
from certline.board.pages.estate import places
from certline.board.web import links
from certline.board.web.cells import Link
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.export import Representation, representation
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models.calendar.what_if import WhatIf
from certline.models.calendar.year import CalendarYear
from certline.models.documents.projection import instant
from certline.models.documents.renewal import forecast_document

TITLE = "Calendar"


def show(asked: PageRequest) -> View:
    """Find out what the calendar shows. Raises BadFilterError."""
    request = CalendarRequest(asked)
    lifetime = request.lifetime
    # Before the numbers: while they are counted, every further question of this page waits for its turn.
    choices = places.choices_of(asked.db)
    for_people = representation(asked.request.query_params) is Representation.HTML
    if for_people and not request.is_counted():
        return _still_counting(request, choices)
    # The numbers are kept by now, or it is a program that asks, which waits for them.
    year = request.year()
    found, estate = (None, None) if lifetime is None else request.what_if(lifetime)
    renewals = year.renewals if found is None else found.renewals
    cliffs = year.cliffs
    numbers = DayNumbers(
        year.ends if found is None else {}, renewals, year.validations, frozenset(cliffs)
    )
    months = months_of(numbers, year.today, year.last)
    parameters = {
        name: given for name, given in request.wanted.texts.items() if name != WHAT_IF.name
    }

    def address(day: date) -> str:
        return links.narrowed(links.below(links.CALENDAR, day), **parameters)

    days = [each for month in months for week in month.weeks for each in week if each]
    return View(
        TITLE,
        "calendar.html",
        {
            "year": year,
            "months": months,
            "listed": [each for each in days if each.ends or each.renewals or each.validations],
            "columns": _columns(address),
            "address": address,
            "cliffs": [(day, year.ends[day], address(day)) for day in cliffs],
            "busiest": _busiest(year),
            "found": None if found is None else found.forecast,
            "estate": estate,
            "lifetime": lifetime,
            "lifetimes": LIFETIMES,
            "what_if_url": lambda days: links.narrowed(
                links.CALENDAR, **parameters, **{WHAT_IF.name: days}
            ),
            "feed_url": links.narrowed(f"{links.CALENDAR}.ics", **parameters),
            "filters": FILTERS,
            "choices": choices,
            "wanted": request.wanted,
            "commands": [
                Suggestion(
                    "The plan of renewals, and what it would be with shorter lifetimes",
                    typed("auto-renew", "plan", "--days", 90, "--what-if", lifetime or 47),
                )
            ],
        },
        _document(year, found),
    )


def _still_counting(request: CalendarRequest, choices: places.Choices) -> View:
    """Return the page in place of numbers that take longer than a person should wait for a page."""
    values = {
        "filters": FILTERS,
        "choices": choices,
        "wanted": request.wanted,
        "again": links.narrowed(links.CALENDAR, **request.wanted.texts),
    }
    return View(TITLE, "calendar_counting.html", values)


def _busiest(year: CalendarYear) -> tuple[date, int] | None:
    """Return the day with the most planned renewals, the earliest of several, and their number."""
    if not year.renewals:
        return None
    day = max(year.renewals, key=lambda each: (year.renewals[each], -each.toordinal()))
    return day, year.renewals[day]


def _columns(address: Any) -> list[TableColumn[HeatDay]]:
    return [
        TableColumn("Day", lambda row: Link(f"{row.day:%a} {row.day}", address(row.day))),
        TableColumn("End", lambda row: row.ends),
        TableColumn("Renewed", lambda row: row.renewals),
        TableColumn("Domain validations that end", lambda row: row.validations),
        TableColumn("", lambda row: "cliff" if row.is_cliff else None),
    ]


def _document(year: CalendarYear, found: WhatIf | None) -> dict[str, Any]:
    days = sorted({*year.ends, *year.renewals, *year.validations})
    return {
        "at": instant(year.at),
        "from": year.today.isoformat(),
        "until": year.last.isoformat(),
        "late": year.late,
        "cliffs": [{"date": day.isoformat(), "ends": year.ends[day]} for day in year.cliffs],
        "days": [
            {
                "date": day.isoformat(),
                "ends": year.ends.get(day, 0),
                "renewals": year.renewals.get(day, 0),
                "domain_validations": year.validations.get(day, 0),
            }
            for day in days
        ],
        "what_if": None
        if found is None
        else forecast_document(found.forecast)
        | {
            "days": [
                {"date": day.isoformat(), "renewals": found.renewals[day]}
                for day in sorted(found.renewals)
            ]
        },
    }


YEAR = Page(links.CALENDAR, show)
ROUTES = [YEAR.route()]
