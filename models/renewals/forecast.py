"""What if certificates lived shorter: orders a day and what that means at SCM. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from certline.models.renewals.timing import Span, schedule, span_of, usual_cap

# What a renewal asks of SCM when all goes well (docs/scm.md): the old record, one look at least while
# SCM makes the certificate, and the certificate; and the order itself.
READS, ORDERS = 3, 1
# A year: every month and every peak of it.
HORIZON = timedelta(days=365)
# So many times the mean of the days that are looked at is a peak.
PEAK = 1.5


@dataclass(frozen=True)
class Forecast:
    """A year of renewals if every certificate that is ordered lived `lifetime` days.

    `license_units` are lines: a renewal needs none. Calls are those of the busiest hour, in which
    the peak's renewals go out as fast as the rate limits let them: `peak_minutes` in all.
    """

    lifetime: int
    orders_per_day: float
    peak: date | None
    peak_orders: int
    license_units: int
    calls_per_hour: int
    rate_limit_per_hour: int
    peak_minutes: int


def forecast(
    spans: Sequence[Span],
    *,
    lifetime: int,
    today: date,
    cap: int | None,
    rate_read: float,
    rate_order: float,
) -> Forecast:
    """Play a year: each certificate is renewed on its day, and its successor lives `lifetime` days.

    Rates are calls a second to SCM.
    """
    counts = _renewals(spans, timedelta(days=lifetime), today, cap)
    peak = max(counts, key=lambda day: (counts[day], -day.toordinal()), default=None)
    busiest = 0 if peak is None else counts[peak]
    # The slower of the two rates says how many renewals an hour there can be.
    per_hour = 3600 * min(rate_order / ORDERS, rate_read / READS)
    return Forecast(
        lifetime=lifetime,
        orders_per_day=counts.total() / HORIZON.days,
        peak=peak,
        peak_orders=busiest,
        license_units=len({span.line_id for span in spans}),
        calls_per_hour=round(min(busiest, per_hour) * (READS + ORDERS)),
        rate_limit_per_hour=round(3600 * (rate_order + rate_read)),
        peak_minutes=math.ceil(60 * busiest / per_hour),
    )


def _renewals(
    spans: Sequence[Span], lifetime: timedelta, today: date, cap: int | None
) -> Counter[date]:
    """Renewals a day for a year, one generation after the other."""
    end = today + HORIZON
    counts: Counter[date] = Counter()
    one_more = [_after(span, datetime.combine(today, time(), UTC), lifetime) for span in spans]
    cap = cap or usual_cap(one_more)
    generation = list(spans)
    while generation:
        planned = schedule(generation, today=today, cap=cap, taken=counts)
        counts.update(day for day in planned.values() if day < end)
        generation = [
            _after(span, datetime.combine(_stored(span, planned), time(), UTC), lifetime)
            for span in generation
            if planned[span.id] < end
        ]
    return counts


def peaks(counts: Mapping[date, int], most: int = 3) -> list[date]:
    """The fullest days, those that have half as much again as the mean day; the fullest first."""
    mean = sum(counts.values()) / max(1, len(counts))
    high = [day for day, count in counts.items() if count >= max(2, PEAK * mean)]
    return sorted(high, key=lambda day: (-counts[day], day))[:most]


def _stored(span: Span, planned: Mapping[str, date]) -> date:
    """When the successor begins: a day later than its predecessor at least, however small the cap."""
    return max(planned[span.id], span.not_before.date() + timedelta(days=1))


def _after(span: Span, begins: datetime, lifetime: timedelta) -> Span:
    return span_of(span.id, span.line_id, begins, begins + lifetime, span.days)
