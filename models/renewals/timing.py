"""When a certificate is renewed by itself. Pure: dates in, days out.

Sources: CA/Browser Forum ballot SC-081v3 (200 days from 2026-03-15, 100 from 2027-03-15, 47 from
2029-03-15: a fixed "30 days before" would renew 47 days' worth 21 times a year, a third 12 times);
Let's Encrypt's integration guide and certbot 4 (a third of the lifetime, half of a short one);
RFC 9773 (ARI: a window, and a moment in it, so that what was issued together is not renewed
together); design, section 6.

With L the lifetime, D the days that a person asked for and h(line) in [0, 1) from a hash:

- lead      = min(D, L/3), and L/2 in place of L/3 where L is under 10 days
- wanted    = not_after - lead: the last date that is right
- target    = wanted - h(line) x lead/5: the date that is aimed at, the same in every run
- emergency = not_after - min(L/20, lead): from that date on no cap counts
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

SHORT_LIVED = timedelta(days=10)
# The spread is that part of the lead: at 47 days three days, which cost half a renewal a year.
SPREAD = 5
# Under that part of the lifetime nothing waits for anything but SCM.
EMERGENCY = 20
# Where nobody named a cap: that many times the even load, so that a cliff of a whole estate becomes
# half a lead's worth of days; and never fewer than so many.
ROOMY, FEWEST = 2, 20


class Span(NamedTuple):
    """A certificate as the rules see it (`span_of`): a tuple, for a run makes one of each."""

    id: str
    line_id: str
    not_before: datetime
    not_after: datetime
    days: int
    lead: timedelta
    wanted: date
    target: date
    emergency: date

    @property
    def period(self) -> timedelta:
        """From one renewal to the next, without the spread."""
        return self.not_after - self.not_before - self.lead


def span_of(
    own_id: str, line_id: str, not_before: datetime, not_after: datetime, days: int
) -> Span:
    """The dates of a certificate. `days`: what was asked for; `line_id` is what it is spread by, for
    it stays the same from renewal to renewal.
    """
    lead, spread, last = _stretches(not_after - not_before, days)
    wanted = not_after - lead
    return Span(
        own_id,
        line_id,
        not_before,
        not_after,
        days,
        lead,
        wanted.date(),
        (wanted - share_of(line_id) * spread).date(),
        (not_after - last).date(),
    )


def lead_of(lifetime: timedelta, days: int) -> timedelta:
    """How long before its end a certificate is renewed at the latest; `days` is what was asked for."""
    part = 2 if lifetime < SHORT_LIVED else 3
    return min(timedelta(days=days), lifetime / part)


@lru_cache(maxsize=1_000)  # an estate has few lifetimes and many certificates
def _stretches(lifetime: timedelta, days: int) -> tuple[timedelta, timedelta, timedelta]:
    """The lead, the spread, and how long before its end a certificate's emergency begins."""
    lead = lead_of(lifetime, days)
    return lead, lead / SPREAD, min(lifetime / EMERGENCY, lead)


@lru_cache(maxsize=100_000)  # each run asks for every line's
def share_of(line_id: str) -> float:
    """A line's place in the spread, in [0, 1): the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(line_id.encode()).digest()[:6]) / 2**48


def even_load(spans: Collection[Span]) -> float:
    """Renewals a day if they came evenly: the sum of 1/period."""
    day, hour = timedelta(days=1), timedelta(hours=1)
    return sum(day / max(span.period, hour) for span in spans)


def usual_cap(spans: Collection[Span]) -> int:
    """The cap a day where nobody named one."""
    return max(FEWEST, math.ceil(ROOMY * even_load(spans)))


def schedule(
    spans: Collection[Span], *, today: date, cap: int, taken: Mapping[date, int]
) -> dict[str, date]:
    """The day of each certificate's renewal, by its id; `taken`: renewals that a day has already.

    Those with the earliest wanted date choose first (EDF: any other order may leave one of them
    without a day, this one only where there is none). Each takes the latest day with room that is no
    later than its target; else the first one up to its wanted date. So a full day pulls work
    earlier, nothing is planned for the past, and the days of those that are left are the same
    tomorrow. Where the cap is too small for all of them, the rest is late: on the first day with
    room, and on its emergency date whatever the cap.
    """
    used = Counter({day.toordinal(): count for day, count in taken.items()})
    first = today.toordinal()
    planned = {}
    in_order = sorted(spans, key=lambda span: (span.wanted, span.line_id, span.id))
    for span in in_order:
        if span.emergency <= today:
            planned[span.id] = today
            used[first] += 1
    for span in in_order:
        if span.emergency > today:
            day = _day_for(span, first, cap, used)
            planned[span.id] = date.fromordinal(day)
            used[day] += 1
    return planned


def _day_for(span: Span, first: int, cap: int, used: Counter[int]) -> int:
    target = max(first, span.target.toordinal())
    day = target
    while day >= first and used[day] >= cap:
        day -= 1
    if day >= first:
        return day
    day = target + 1
    last = span.emergency.toordinal()
    while day < last and used[day] >= cap:
        day += 1
    return min(day, last)
