"""Tests of how long a validation may be reused (CA/Browser Forum ballot SC-081v3)."""

from datetime import date, timedelta

import pytest

from certline.models.domains.lifetime import life_before, reuse_days


@pytest.mark.parametrize(
    ("day", "days"),
    [
        (date(2026, 3, 14), 398),
        (date(2026, 3, 15), 200),
        (date(2027, 3, 14), 200),
        (date(2027, 3, 15), 100),
        (date(2029, 3, 14), 100),
        (date(2029, 3, 15), 10),
    ],
)
def test_the_ballot_shortens_validations_in_three_steps(day: date, days: int) -> None:
    assert reuse_days(day) == days


@pytest.mark.parametrize(
    "begun", [date(2025, 6, 1), date(2026, 6, 1), date(2028, 1, 1), date(2029, 4, 1)]
)
def test_the_life_of_a_validation_is_known_from_its_end(begun: date) -> None:
    life = timedelta(days=reuse_days(begun))

    assert life_before(begun + life) == life
