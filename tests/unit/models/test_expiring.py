"""Tests of the days before its end at which a certificate is reported as expiring."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.renewals.expiry_events import DAYS, day_reached

BEGIN = datetime(2029, 1, 1, tzinfo=UTC)


def reached(lifetime: float, left: float) -> int | None:
    """Return the threshold reached by a certificate with that many days left."""
    ends = BEGIN + timedelta(days=lifetime)
    return day_reached(BEGIN, ends, ends - timedelta(days=left))


@pytest.mark.parametrize(
    ("left", "day"), [(31, None), (30, 30), (15, 30), (14, 14), (6.5, 7), (2.9, 3), (1, 1), (-5, 1)]
)
def test_the_latest_day_counts_and_not_those_that_were_missed(left: float, day: int | None) -> None:
    assert reached(90, left) == day


@pytest.mark.parametrize(
    ("lifetime", "left", "day"), [(6, 6, None), (7, 7, None), (7.5, 7, 7), (47, 31, None)]
)
def test_a_day_that_is_longer_than_the_lifetime_is_not_told(
    lifetime: float, left: float, day: int | None
) -> None:
    assert reached(lifetime, left) == day


@given(st.floats(1.5, 400), st.lists(st.floats(0, 1), max_size=20))
def test_as_time_passes_the_days_only_fall(lifetime: float, shares: list[float]) -> None:
    told = [reached(lifetime, share * lifetime) for share in sorted(shares, reverse=True)]

    days = [day for day in told if day is not None]
    assert days == sorted(days, reverse=True)
    assert set(days) <= set(DAYS)
