"""Tests of the forecast of a year of renewals with shorter lifetimes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from certline.models.renewals.forecast import forecast, peaks
from certline.models.renewals.timing import Span, span_of

TODAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def an_estate(count: int) -> list[Span]:
    """Return certificates of a year, issued evenly over the last year."""
    return [
        span_of(
            f"C{number}",
            f"L{number}",
            NOON - timedelta(days=365 * number / count),
            NOON + timedelta(days=365 * (1 - number / count)),
            30,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("lifetime", "fewest", "most"), [(47, 1.5, 2.3), (100, 0.8, 1.1), (200, 0.35, 0.6)]
)
def test_shorter_lifetimes_mean_more_orders_a_day(
    lifetime: int, fewest: float, most: float
) -> None:
    found = forecast(
        an_estate(90), lifetime=lifetime, today=TODAY, cap=None, rate_read=10, rate_order=2
    )

    assert fewest < found.orders_per_day < most
    assert found.license_units == 90
    assert 0 < found.peak_orders <= 20


def test_the_busiest_hour_is_no_busier_than_the_rate_limit_allows() -> None:
    spans = [
        span_of(f"C{n}", f"L{n}", NOON - timedelta(days=46), NOON + timedelta(days=1), 30)
        for n in range(300)
    ]

    slow = forecast(spans, lifetime=47, today=TODAY, cap=None, rate_read=10, rate_order=0.01)
    quick = forecast(spans, lifetime=47, today=TODAY, cap=None, rate_read=10, rate_order=2)

    assert (slow.peak, slow.peak_orders) == (quick.peak, quick.peak_orders) == (TODAY, 300)
    assert (slow.calls_per_hour, slow.peak_minutes) == (144, 500)
    assert (quick.calls_per_hour, quick.rate_limit_per_hour) == (1200, 43_200)


def test_a_cap_that_is_too_small_comes_to_an_end_too() -> None:
    found = forecast(an_estate(30), lifetime=47, today=TODAY, cap=1, rate_read=10, rate_order=2)

    assert found.orders_per_day <= 1.1


def test_peaks_are_the_fullest_days_and_an_even_plan_has_none() -> None:
    days = [TODAY + timedelta(days=number) for number in range(5)]

    assert peaks(dict(zip(days, [1, 9, 1, 5, 1], strict=True))) == [days[1]]
    assert peaks(dict.fromkeys(days, 4)) == []
    assert peaks({}) == []
