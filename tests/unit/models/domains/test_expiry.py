"""Tests of the days by which the validations are found whose end may be told today."""

from datetime import date, timedelta

import pytest

from certline.models.domains.expiry import days_to_tell, threshold_of
from certline.models.orders.validation_reuse import ReuseRules

DAY = timedelta(days=1)
# Before, on and after the steps of the ballot, and between them.
DAYS = (
    *(date(2026, 11, 28), date(2027, 2, 20), date(2027, 3, 15), date(2027, 5, 1)),
    *(date(2029, 2, 20), date(2029, 3, 20), date(2029, 6, 1), date(2029, 8, 1)),
)


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_whatever_has_reached_a_threshold_is_found_by_its_days(today: date) -> None:
    rules = ReuseRules(today)
    found = days_to_tell(rules)
    lives = [None, *range(12), *range(13, 430, 7), 100, 101, 200, 201, 398, 399]
    missed = [
        (expires, made)
        for expires in (today + number * DAY for number in range(-60, 460))
        for made in (None if life is None else expires - life * DAY for life in lives)
        if threshold_of(expires, made, rules) is not None
        and expires not in found.ends
        and made not in found.made
    ]

    assert missed == []


def test_no_more_days_are_looked_at_than_the_thresholds_reach_and_one() -> None:
    whole, short = days_to_tell(ReuseRules(date(2026, 11, 28))), date(2029, 8, 1)
    of_ten_days = days_to_tell(ReuseRules(short))

    assert max(whole.ends) == date(2026, 11, 28) + 31 * DAY
    assert whole.made == ()
    assert max(of_ten_days.ends) == short + 4 * DAY
    assert of_ten_days.made == ()
