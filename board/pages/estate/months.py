"""Filters by the end of a certificate: within some days, in a month, between two days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from certline.board.web.filters import UrlFilter, Wanted, day, days

# Months that are offered, from this one on.
MONTHS = 25


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ValueError("should be a month such as 2027-05") from None


ENDS_WITHIN = days("ends_within", "Ends within days")
ENDS_IN = UrlFilter("ends_in", "Ends in", read=_month)
ENDS_FROM = day("ends_from", "Ends from")
ENDS_UNTIL = day("ends_until", "Ends until")
FILTERS = (ENDS_WITHIN, ENDS_IN, ENDS_FROM, ENDS_UNTIL)


def month_choices(today: date) -> list[tuple[str, str]]:
    """Return the months that may be chosen: this one and those after it."""
    found, month = [], today.replace(day=1)
    for _ in range(MONTHS):
        found.append((f"{month:%Y-%m}", f"{month:%B %Y}"))
        month = next_month(month)
    return found


def next_month(month: date) -> date:
    """Return the first day of the month after the one that a day is in."""
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def ends_of(wanted: Wanted) -> dict[str, Any]:
    """Return the fields of a Narrowing that the filters select; several apply together."""
    begins = [wanted[ENDS_FROM.name]]
    ends = [None if wanted[ENDS_UNTIL.name] is None else _after(wanted[ENDS_UNTIL.name])]
    month = wanted[ENDS_IN.name]
    if month is not None:
        begins.append(month)
        ends.append(next_month(month))
    first = max((each for each in begins if each is not None), default=None)
    last = min((each for each in ends if each is not None), default=None)
    return {
        "expires_within": wanted[ENDS_WITHIN.name],
        "ends_from": None if first is None else datetime.combine(first, time(), UTC),
        "ends_before": None if last is None else datetime.combine(last, time(), UTC),
    }


def _after(found: date) -> date:
    return found + timedelta(days=1) if found < date.max else found
