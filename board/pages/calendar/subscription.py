"""The calendar to subscribe to: an event for each day on which something ends or is renewed."""

from collections.abc import Sequence
from datetime import date

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from certline.board.access.caller import BoardCaller
from certline.board.context import BoardContext
from certline.board.pages.calendar.calendar_request import CalendarRequest
from certline.board.pages.calendar.icalendar import CalendarEvent, calendar_text
from certline.board.pages.estate import places
from certline.board.web import links
from certline.board.web.page_request import PageRequest
from certline.models.calendar.names import MOST_NAMES, DayNames, names_by_day


def respond(request: Request) -> Response:
    """Return the calendar as a file. Raises BadFilterError."""
    board: BoardContext = request.app.state.board
    with board.database.transaction() as db:
        asked = CalendarRequest(PageRequest(request, db, board), places.FILTERS)
        year = asked.year()
        # The names of an estate are looked up, those of a million certificates are not.
        few = sum(year.ends.values()) + sum(year.renewals.values()) <= MOST_NAMES
        names = DayNames()
        if few:
            key = ("names", asked.filter)
            names = board.kept.get(db, key, lambda own: names_by_day(own, asked.filter))
        texts = asked.wanted.texts
    base = _address_of_board(request)
    mark = ".".join(f"{name}-{'-'.join(given)}" for name, given in sorted(texts.items()))

    def address(day: date) -> str:
        return base + links.narrowed(links.below(links.CALENDAR, day), **texts)

    kinds = (
        ("ends", year.ends, names.ends, "certificate ends", "certificates end"),
        (
            "renewals",
            year.renewals,
            names.renewals,
            "certificate is renewed",
            "certificates are renewed",
        ),
        (
            "validations",
            year.validations,
            names.validations,
            "domain validation ends",
            "domain validations end",
        ),
    )
    events = [
        CalendarEvent(
            f"{kind}-{day}{'.' if mark else ''}{mark}@{request.url.hostname}",
            day,
            _summary(count, one if count == 1 else many, known.get(day, ())),
            "\n".join(known.get(day, ())) + _rest(count, known.get(day, ())),
            address(day),
        )
        for kind, counts, known, one, many in kinds
        for day, count in sorted(counts.items())
    ]
    return Response(
        calendar_text("certline", year.at, events), media_type="text/calendar; charset=utf-8"
    )


def _address_of_board(request: Request) -> str:
    """Return the board's address, as who subscribes knows it: up to the proxy in front, it may be https."""
    base, caller = request.base_url, getattr(request.state, "caller", None)
    encrypted = isinstance(caller, BoardCaller) and caller.encrypted
    return str(base.replace(scheme="https") if encrypted else base).rstrip("/")


def _summary(count: int, words: str, names: Sequence[str]) -> str:
    first = f": {names[0]}" if count == 1 and names else ""
    return f"{count:,} {words}{first}"


def _rest(count: int, names: Sequence[str]) -> str:
    left = count - len(names)
    if not left:
        return ""
    return f"\n… and {left:,} more" if names else "The page of the day lists them."


ROUTES = [Route(f"{links.CALENDAR}.ics", respond, name="calendar.ics")]
