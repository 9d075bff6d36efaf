"""How fast a batch of renewals goes: pure rules over its pace, as in `models/accounts/rate_limit.py` (GCRA).

A pace is a number an hour. It is never made up for more than a minute: whatever was down or
paused, the next hour has no more than that minute's share on top.
"""

import re
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
# What is late by more is not made up.
CATCH_UP = timedelta(minutes=1)
# Members that have their command and were not sent yet: a minute of orders at the usual rate (two a
# second), so that another person's order waits no longer behind them.
WINDOW = 120
# Over this time what a batch achieves is measured.
MEASURED = timedelta(minutes=5)

PACE = re.compile(r"([0-9]{1,6})(?:/(h|hour|min))?")


def per_hour(written: str) -> int:
    """A pace as it is written: `500/h`, `10/min`, or a number, which is an hour's. Raises ValueError."""
    found = PACE.fullmatch(written.strip().lower())
    if found is None or not int(found[1]):
        raise ValueError(f"{written!r} is no pace: write how many an hour, such as 500/h")
    return int(found[1]) * (60 if found[2] == "min" else 1)


def due_now(pace: int | None, next_at: datetime, now: datetime) -> int:
    """How many members have their turn by now. Without a pace as many as the window has room for."""
    if pace is None:
        return WINDOW
    late = min(now - next_at, CATCH_UP)
    return 0 if late < timedelta(0) else 1 + late // (HOUR / pace)


def next_turn(pace: int | None, next_at: datetime, now: datetime, released: int) -> datetime:
    """When the member after so many has its turn."""
    if pace is None:
        return now
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
    """When the last of a batch will have ended: by its pace, or by how many have `ended` in the time
    that was `measured`, where there is no pace or it isn't kept. None while neither says anything.
    """
    achieved = None
    if ended and measured > timedelta(0):
        achieved = now + (waiting + running) * (measured / ended)
    if pace is None or not waiting:
        return achieved
    by_pace = max(next_at, now) + (waiting - 1) * (HOUR / pace)
    # Nothing achieves more than its pace: only what lags far behind it says that it can't be kept.
    lags = achieved is not None and ended < pace * (measured / HOUR) / 2
    return max(by_pace, achieved) if lags and achieved is not None else by_pace
