"""Dates and times in SCM's formats: days by default, or as requested by `dateFormat`; all in UTC."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

from certline.simulator.wire.fields import invalid

NAMED = {
    "ISO": "yyyy-MM-dd",
    "ISO_HMS": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    "EU": "dd.MM.yyyy",
    "EU_HMS": "dd.MM.yyyy HH:mm:ss",
    "US": "MM/dd/yyyy",
    "US_HMS": "MM/dd/yyyy HH:mm:ss",
    "UK": "dd/MM/yyyy",
    "UK_HMS": "dd/MM/yyyy HH:mm:ss",
    "JP": "yyyy/MM/dd",
    "JP_HMS": "yyyy/MM/dd HH:mm:ss",
}
DAY = NAMED["US"]
MOMENT = NAMED["ISO_HMS"]

# Groups: quoted text, a date field, letters that are no field (an error), anything else.
_PIECE = re.compile(r"'([^']*)'|(yyyy|MM|dd|HH|mm|ss|SSS)|([A-Za-z]+)|([^A-Za-z']+)")


# How far the simulated SCM's clock is ahead of the machine's, for the call that is being served.
_ahead: ContextVar[timedelta] = ContextVar("ahead", default=timedelta())
# A century, beyond which dates may not exist.
MOST_AHEAD = 100 * 365 * 86_400


def now() -> datetime:
    """Return the current time in UTC, by the simulated SCM's clock."""
    return datetime.now(UTC) + _ahead.get()


@contextmanager
def clock_ahead(seconds: int) -> Iterator[None]:
    """Let the clock be ahead of the machine's, or behind it, meanwhile; by a century at most."""
    token = _ahead.set(timedelta(seconds=max(-MOST_AHEAD, min(seconds, MOST_AHEAD))))
    try:
        yield
    finally:
        _ahead.reset(token)


def pattern(asked: str) -> str:
    """Return the pattern for a `dateFormat`, which is a name or itself a pattern. Raises Refusal if unknown."""
    found = NAMED.get(asked.upper(), asked)
    if any(piece.group(3) for piece in _PIECE.finditer(found)):
        raise invalid("dateFormat", "unknown format")
    return found


def written(moment: datetime | None, form: str) -> str | None:
    """Return a time formatted with this pattern, or None."""
    if moment is None:
        return None
    values = {
        "yyyy": f"{moment.year:04}",
        "MM": f"{moment.month:02}",
        "dd": f"{moment.day:02}",
        "HH": f"{moment.hour:02}",
        "mm": f"{moment.minute:02}",
        "ss": f"{moment.second:02}",
        "SSS": f"{moment.microsecond // 1000:03}",
    }
    return "".join(
        values[piece.group(2)] if piece.group(2) else (piece.group(1) or piece.group(4) or "")
        for piece in _PIECE.finditer(form)
    )
