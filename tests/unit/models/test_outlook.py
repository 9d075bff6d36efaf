"""Tests of the forecast when the licence runs out, at the rate of new orders."""

from datetime import timedelta

import pytest

from certline.models.certificates.license_forecast import orders_per_day, runs_out
from tests.factories import NOON


@pytest.mark.parametrize(
    ("count", "days", "rate"),
    [
        (60, 400, 2.0),  # an old installation: the last 30 days count
        (60, 30, 2.0),
        (60, 15, 4.0),  # a young one: all its days
        (60, 0.01, 60.0),  # a first busy hour counts as a day
        (0, 400, 0.0),
        (0, 0, 0.0),
    ],
)
def test_the_rate_is_that_of_30_days_or_since_the_first_order(
    count: int, days: float, rate: float
) -> None:
    assert orders_per_day(count, timedelta(days=days)) == rate


@pytest.mark.parametrize(
    ("room", "rate", "days"), [(10, 2.0, 5), (1, 0.5, 2), (0, 2.0, 0), (-3, 2.0, 0), (0, 0.0, 0)]
)
def test_room_is_used_up_at_that_rate_or_now_where_there_is_none(
    room: int, rate: float, days: int
) -> None:
    assert runs_out(room, rate, NOON) == NOON + timedelta(days=days)


@pytest.mark.parametrize("rate", [0.0, 1e-12])
def test_without_orders_it_never_runs_out(rate: float) -> None:
    assert runs_out(1_000_000, rate, NOON) is None
