"""Pace of a batch: pure rules (GCRA, as in `models/accounts/rate_limit.py`) for a number of renewals an hour.

After an outage or a pause at most one minute of missed turns is made up.
"""

import re
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
# Missed turns older than this are not made up.
CATCH_UP = timedelta(minutes=1)
# Most members that have a command but were not sent yet: one minute of orders at the default rate limit
# (two a second), so that no other order waits longer than that behind a batch.
WINDOW = 120
# Time over which the actual speed of a batch is measured.
MEASURED = timedelta(minutes=5)

PACE = re.compile(r"([0-9]{1,6})(?:/(h|hour|min))?")


def per_hour(written: str) -> int:
    """Return renewals an hour from a pace such as `500/h`, `10/min` or `500` (an hour).

    Raises ValueError if it is zero or not a pace.
    """
    found = PACE.fullmatch(written.strip().lower())
    if found is None or not int(found[1]):
        raise ValueError(f"{written!r} is not a pace: write a number per hour, such as 500/h")
    return int(found[1]) * (60 if found[2] == "min" else 1)


def due_now(pace: int | None, next_at: datetime, now: datetime) -> int:
    """Return how many members are due by now; without a pace, WINDOW. `pace`: renewals an hour, or None."""
    if pace is None:
        return WINDOW
    late = min(now - next_at, CATCH_UP)
    return 0 if late < timedelta(0) else 1 + late // (HOUR / pace)


def next_turn(pace: int | None, next_at: datetime, now: datetime, released: int) -> datetime:
    """Return when the next member is due, after `released` members got their command now."""
    if pace is None:
        return now
    # From the previous due time, not from now: a producer that looks late must not slow the batch down.
    return max(next_at, now - CATCH_UP) + released * (HOUR / pace)


def ends_at(
    pace: int | None,
    next_at: datetime,
    now: datetime,
    *,
    waiting: int,
    running: int,
    ended: int,
    measured: timedelta,
) -> datetime | None:
    """Estimate when the last renewal of a batch will have ended, or return None while nothing indicates it.

    The estimate follows the pace. Without a pace, or if the batch lags behind it, it follows the actual speed:
    `ended` renewals within `measured`. `waiting` and `running` are numbers of members.
    """
    achieved = None
    if ended and measured > timedelta(0):
        achieved = now + (waiting + running) * (measured / ended)
    if pace is None or not waiting:
        return achieved
    by_pace = max(next_at, now) + (waiting - 1) * (HOUR / pace)
    # Small deviations from the pace are normal; below half of it, the pace evidently can't be kept.
    lags = achieved is not None and ended < pace * (measured / HOUR) / 2
    return max(by_pace, achieved) if lags and achieved is not None else by_pace
