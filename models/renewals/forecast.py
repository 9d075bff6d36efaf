"""Forecast of a year of renewals for a given certificate lifetime: orders a day, load on SCM. Pure functions."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from certline.models.renewals.timing import Span, schedule, span_of, usual_cap

# Calls to SCM for one renewal without problems (docs/scm.md). Reads: the old record, at least one poll
# while SCM issues the certificate, and the certificate itself. Orders: the renewal.
READS, ORDERS = 3, 1
# Time that a forecast covers: a year shows every seasonal peak.
HORIZON = timedelta(days=365)
# A day with at least this many times the mean is a peak.
PEAK = 1.5


@dataclass(frozen=True)
class Forecast:
    """A year of renewals if every certificate ordered from now on is valid for `lifetime` days.

    `license_units`: lines in use; renewals need no more. `calls_per_hour`: calls in the busiest hour, if the
    renewals of the peak day are sent as fast as the rate limits allow, which takes `peak_minutes`.
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
    """Simulate a year in which each certificate is renewed on its day and its successor is valid `lifetime` days.

    `cap`: renewals a day, or None for the usual cap. `rate_read`, `rate_order`: calls to SCM per second.
    """
    return forecast_of(
        renewals_by_day(spans, lifetime=lifetime, today=today, cap=cap),
        lifetime=lifetime,
        units=len({span.line_id for span in spans}),
        rate_read=rate_read,
        rate_order=rate_order,
    )


def forecast_of(
    counts: Counter[date], *, lifetime: int, units: int, rate_read: float, rate_order: float
) -> Forecast:
    """Return the forecast of a year whose renewals by day are `counts`. `units`: lines in use."""
    # The busiest day; the earliest of several.
    peak = max(counts, key=lambda day: (counts[day], -day.toordinal()), default=None)
    busiest = 0 if peak is None else counts[peak]
    # The scarcer of the two rates limits the renewals an hour.
    per_hour = 3600 * min(rate_order / ORDERS, rate_read / READS)
    return Forecast(
        lifetime=lifetime,
        orders_per_day=counts.total() / HORIZON.days,
        peak=peak,
        peak_orders=busiest,
        license_units=units,
        calls_per_hour=round(min(busiest, per_hour) * (READS + ORDERS)),
        rate_limit_per_hour=round(3600 * (rate_order + rate_read)),
        peak_minutes=math.ceil(60 * busiest / per_hour),
    )


def renewals_by_day(
    spans: Sequence[Span],
    *,
    lifetime: int,
    today: date,
    cap: int | None,
    weights: Mapping[str, int] | None = None,
) -> Counter[date]:
    """Return the renewals of each day of a year, planned one generation of successors after the other.

    `weights`: how many certificates each span stands for, by its id; one if not given.
    """
    length = timedelta(days=lifetime)
    end = today + HORIZON
    counts: Counter[date] = Counter()
    # The usual cap follows from the lifetime in the long run, so from the first successors, not from
    # today's certificates.
    one_more = [_after(span, datetime.combine(today, time(), UTC), length) for span in spans]
    cap = cap or usual_cap(one_more, weights)
    generation = list(spans)
    while generation:
        planned = schedule(generation, today=today, cap=cap, taken=counts, weights=weights)
        for own_id, day in planned.items():
            if day < end:
                counts[day] += 1 if weights is None else weights[own_id]
        generation = [
            _after(span, datetime.combine(_stored(span, planned), time(), UTC), length)
            for span in generation
            if planned[span.id] < end
        ]
    return counts


def peaks(counts: Mapping[date, int], most: int = 3) -> list[date]:
    """Return up to `most` days with at least PEAK times the mean and two renewals, the busiest first."""
    mean = sum(counts.values()) / max(1, len(counts))
    high = [day for day, count in counts.items() if count >= max(2, PEAK * mean)]
    return sorted(high, key=lambda day: (-counts[day], day))[:most]


def _stored(span: Span, planned: Mapping[str, date]) -> date:
    """Return the first day of a successor: at least one day after its predecessor's, so the simulation ends."""
    return max(planned[span.id], span.not_before.date() + timedelta(days=1))


def _after(span: Span, begins: datetime, lifetime: timedelta) -> Span:
    return span_of(span.id, span.line_id, begins, begins + lifetime, span.days)
