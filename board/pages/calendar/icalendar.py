"""Text of an iCalendar file (RFC 5545): all-day events, escaped and folded. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

# Octets of a line without its end (RFC 5545, 3.1).
LONGEST = 75


@dataclass(frozen=True)
class CalendarEvent:
    """An event of a whole day. `uid`: the same in every version of the file, so that clients recognise it."""

    uid: str
    day: date
    summary: str
    description: str
    url: str


def calendar_text(name: str, at: datetime, events: Sequence[CalendarEvent]) -> str:
    """Return a calendar file. `at`: when its data were found."""
    return "".join(f"{line}\r\n" for each in _lines(name, at, events) for line in folded(each))


def _lines(name: str, at: datetime, events: Sequence[CalendarEvent]) -> Iterator[str]:
    stamp = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//certline//board//EN")
    yield from ("CALSCALE:GREGORIAN", "METHOD:PUBLISH", f"X-WR-CALNAME:{escaped(name)}")
    # How often a client should look again: RFC 7986, and what older clients read.
    yield from ("REFRESH-INTERVAL;VALUE=DURATION:PT6H", "X-PUBLISHED-TTL:PT6H")
    for each in events:
        after = each.day + timedelta(days=1)
        yield from ("BEGIN:VEVENT", f"UID:{escaped(each.uid)}", f"DTSTAMP:{stamp}")
        yield from (f"DTSTART;VALUE=DATE:{each.day:%Y%m%d}", f"DTEND;VALUE=DATE:{after:%Y%m%d}")
        yield f"SUMMARY:{escaped(each.summary)}"
        yield f"DESCRIPTION:{escaped(each.description)}"
        # Nobody is busy because a certificate ends.
        yield from (f"URL:{each.url}", "TRANSP:TRANSPARENT", "END:VEVENT")
    yield "END:VCALENDAR"


def escaped(text: str) -> str:
    """Return a text as a value (RFC 5545, 3.3.11); other control characters are left out."""
    found = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    found = found.replace("\r\n", "\n").replace("\n", "\\n")
    return "".join(each for each in found if each.isprintable())


def folded(line: str) -> Iterator[str]:
    """Yield a line in pieces of 75 octets at most, of whole characters; all but the first begin with a blank."""
    piece, size = "", 0
    for each in line:
        width = len(each.encode())
        if size + width > LONGEST:
            yield piece
            piece, size = " ", 1
        piece += each
        size += width
    yield piece
