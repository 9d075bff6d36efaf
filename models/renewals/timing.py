"""Rules for the day on which a certificate is renewed automatically. Pure functions over dates.

With L the lifetime, D the configured days before expiry and h(line) in [0, 1) from a hash:

- lead      = min(D, L/3), or min(D, L/2) if L is under 10 days
- wanted    = not_after - lead: the latest date that is still on time
- target    = wanted - h(line) x lead/5: the date aimed at, the same in every run
- emergency = not_after - min(L/20, lead): from this date on the cap does not apply

Sources: CA/Browser Forum ballot SC-081v3 (maximum lifetime 200 days from 2026-03-15, 100 from 2027-03-15, 47 from
2029-03-15: a fixed "30 days before" would renew a 47-day certificate 21 times a year, a third of the lifetime 12
times); Let's Encrypt's integration guide and certbot 4 (a third of the lifetime, half of a short one); RFC 9773
(ARI: a moment within a window, so that certificates issued together are not renewed together); docs/renewal.md.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

SHORT_LIVED = timedelta(days=10)
# The spread is lead/5: three days for a 47-day certificate, which costs half a renewal a year.
SPREAD = 5
# In the last twentieth of its lifetime a certificate is renewed whatever the cap.
EMERGENCY = 20
# The usual cap: ROOMY times the even load, so that certificates which all expire on one day are spread over
# half a lead; and at least FEWEST a day.
ROOMY, FEWEST = 2, 20


class Span(NamedTuple):
    """A certificate's dates, made by `span_of`. `days`: the configured days before expiry.

    A tuple, because each run makes one for every certificate.
    """

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
        """Time from one renewal to the next, without the spread."""
        return self.not_after - self.not_before - self.lead


def span_of(
    own_id: str, line_id: str, not_before: datetime, not_after: datetime, days: int
) -> Span:
    """Compute the dates of a certificate. `days`: the configured days before expiry.

    The spread depends on `line_id`, which stays the same from renewal to renewal.
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
    """Return how long before its expiry a certificate is renewed at the latest. `days`: the configured days."""
    part = 2 if lifetime < SHORT_LIVED else 3
    return min(timedelta(days=days), lifetime / part)


@lru_cache(maxsize=1_000)  # an estate has few lifetimes and many certificates
def _stretches(lifetime: timedelta, days: int) -> tuple[timedelta, timedelta, timedelta]:
    """Return the lead, the spread, and how long before its expiry a certificate's emergency begins."""
    lead = lead_of(lifetime, days)
    return lead, lead / SPREAD, min(lifetime / EMERGENCY, lead)


@lru_cache(maxsize=100_000)  # each run needs it for every line
def share_of(line_id: str) -> float:
    """Return a line's place in the spread, in [0, 1): the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(line_id.encode()).digest()[:6]) / 2**48


def even_load(spans: Collection[Span], weights: Mapping[str, int] | None = None) -> float:
    """Return the renewals a day if they were spread evenly: the sum of 1/period.

    `weights`: how many certificates each span stands for, by its id; one if not given.
    """
    day, hour = timedelta(days=1), timedelta(hours=1)
    return sum(
        day / max(span.period, hour) * (1 if weights is None else weights[span.id])
        for span in spans
    )


def usual_cap(spans: Collection[Span], weights: Mapping[str, int] | None = None) -> int:
    """Return the daily cap for accounts that have none configured. `weights`: as of `even_load`."""
    return cap_for(even_load(spans, weights))


def cap_for(load: float) -> int:
    """Return the usual daily cap for an even load of that many renewals a day."""
    return max(FEWEST, math.ceil(ROOMY * load))


def schedule(
    spans: Collection[Span],
    *,
    today: date,
    cap: int,
    taken: Mapping[date, int],
    weights: Mapping[str, int] | None = None,
) -> dict[str, date]:
    """Plan the day of each certificate's renewal, by certificate id. `taken`: renewals that a day has already.

    `weights`: how many certificates each span stands for, by its id; one if not given.

    Certificates with the earliest wanted date choose first (earliest deadline first: if any sequence can keep all
    wanted dates, this one does). Each takes the latest day with room up to its target, else the first day with
    room after it. So a full day pulls work forward, nothing is planned for the past, and tomorrow's plan gives
    the remaining certificates the same days. If the cap is too small, the rest is late: on the first day with
    room, or on the emergency date whatever the cap.
    """
    calendar, planned = Calendar(today, cap, taken), {}
    in_order = sorted(spans, key=lambda span: (span.wanted, span.line_id, span.id))
    # Emergencies first: they use up today's room, whatever the cap.
    for emergencies in (True, False):
        for span in in_order:
            if (span.emergency <= today) is emergencies:
                planned[span.id] = calendar.take(span, 1 if weights is None else weights[span.id])
    return planned


class Calendar:
    """The renewals of each day planned so far. `used`: their number by ordinal day.

    Ordinals: adding to and comparing integers is much cheaper than dates in a loop over all certificates.
    """

    def __init__(self, today: date, cap: int, taken: Mapping[date, int]) -> None:
        self.today = today
        self.cap = cap
        self.used = Counter({day.toordinal(): count for day, count in taken.items()})
        self._first = today.toordinal()

    def take(self, span: Span, weight: int = 1) -> date:
        """Plan the day of a certificate, or of `weight` equal ones.

        The caller takes emergencies first, then the earliest wanted date.
        """
        day = self._first if span.emergency <= self.today else self._day_for(span)
        self.used[day] += weight
        return date.fromordinal(day)

    def _day_for(self, span: Span) -> int:
        first, used = self._first, self.used
        target = max(first, span.target.toordinal())
        day = target
        while day >= first and used[day] >= self.cap:
            day -= 1
        if day >= first:
            return day
        day = target + 1
        last = span.emergency.toordinal()
        while day < last and used[day] >= self.cap:
            day += 1
        return min(day, last)
