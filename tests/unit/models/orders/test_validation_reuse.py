"""Tests of how long a validation may be used (ballot SC-081v3)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.orders.validation_reuse import STEPS, WHAT_IF, ReuseRules, made_on

NOVEMBER = date(2026, 11, 28)
DAYS = st.dates(date(2026, 1, 1), date(2031, 1, 1))


@pytest.mark.parametrize(
    ("issued", "lifetime", "reuse"),
    [
        (date(2026, 3, 14), 398, 398),
        (date(2026, 3, 15), 200, 200),
        (date(2027, 3, 14), 200, 200),
        (date(2027, 3, 15), 100, 100),
        (date(2029, 3, 14), 100, 100),
        (date(2029, 3, 15), 47, 10),
    ],
)
def test_the_steps_of_the_ballot_begin_on_their_days(
    issued: date, lifetime: int, reuse: int
) -> None:
    step = ReuseRules(NOVEMBER).on(issued)

    assert (step.lifetime, step.reuse) == (lifetime, reuse)


@pytest.mark.parametrize(
    ("made", "until"),
    [
        (date(2026, 5, 1), date(2026, 11, 17)),  # 200 days
        (date(2026, 11, 1), date(2027, 3, 14)),  # more than 100 days old when the step begins
        (date(2026, 12, 15), date(2027, 3, 25)),  # not yet: used up 100 days after it was made
        (date(2027, 4, 1), date(2027, 7, 10)),
        (date(2029, 1, 1), date(2029, 3, 14)),
        (date(2029, 3, 10), date(2029, 3, 20)),
        (date(2030, 1, 1), date(2030, 1, 11)),
    ],
)
def test_a_validation_ends_with_a_step_that_makes_it_too_old(made: date, until: date) -> None:
    assert ReuseRules(made).usable_until(made) == until


def test_what_scm_shows_as_valid_beyond_a_step_is_cut_by_it() -> None:
    rules = ReuseRules(NOVEMBER)

    assert rules.last_day(date(2027, 3, 1)) == date(2027, 3, 1)
    assert rules.last_day(date(2027, 5, 20)) == date(2027, 3, 14)
    assert rules.last_day(date(2026, 10, 1)) == date(2026, 10, 1)


def test_a_last_day_that_no_rule_explains_counts_as_made_today_at_the_latest() -> None:
    assert made_on(date(2030, 1, 1), NOVEMBER) == NOVEMBER
    assert ReuseRules(NOVEMBER).last_day(date(2030, 1, 1)) == date(2027, 3, 14)


@pytest.mark.parametrize(
    ("today", "made", "expires", "last"),
    [
        # SCM goes by the rule of the day on which it was made; the certificates go by that of their own day.
        (NOVEMBER, date(2026, 11, 1), date(2027, 5, 20), date(2027, 3, 14)),
        (date(2027, 3, 20), date(2026, 11, 1), date(2027, 5, 20), date(2027, 3, 14)),
        (date(2027, 3, 20), date(2027, 1, 5), date(2027, 7, 24), date(2027, 4, 15)),
        # SCM knows of the step.
        (date(2029, 3, 8), date(2029, 3, 7), date(2029, 3, 17), date(2029, 3, 17)),
        (date(2029, 3, 8), date(2029, 2, 7), date(2029, 3, 15), date(2029, 3, 14)),
        # SCM stays below the rule.
        (NOVEMBER, date(2026, 5, 1), date(2026, 11, 15), date(2026, 11, 15)),
        # The day of an earlier validation than the one that ends then.
        (NOVEMBER, date(2026, 4, 1), date(2027, 3, 1), date(2027, 3, 1)),
        (NOVEMBER, date(2027, 1, 1), date(2027, 3, 1), date(2027, 3, 1)),
    ],
)
def test_the_day_on_which_it_was_made_decides_where_scm_says_it(
    today: date, made: date, expires: date, last: date
) -> None:
    assert ReuseRules(today).last_day(expires, made) == last


@pytest.mark.parametrize("days", WHAT_IF)
def test_a_what_if_lets_every_validation_hold_so_many_days_from_now_on(days: int) -> None:
    rules = ReuseRules(NOVEMBER, days)
    end = NOVEMBER + timedelta(days=days)

    assert rules.last_day(date(2040, 1, 1)) == end
    assert rules.last_day(NOVEMBER + timedelta(days=3)) == NOVEMBER + timedelta(days=3)
    assert rules.usable_until(NOVEMBER) == end
    assert rules.on(date(2035, 1, 1)).reuse == days


@pytest.mark.parametrize(("what_if", "before"), [(200, 7), (100, 7), (10, 3)])
def test_a_validation_begins_a_week_before_it_is_needed_or_a_third_of_a_shorter_life(
    what_if: int, before: int
) -> None:
    rules = ReuseRules(NOVEMBER, what_if)
    needed = NOVEMBER + timedelta(days=30)

    assert rules.begin_by(needed) == needed - timedelta(days=before)
    assert rules.begin_by(NOVEMBER + timedelta(days=1)) == NOVEMBER


@given(DAYS, DAYS)
def test_no_certificate_relies_on_a_validation_older_than_the_rule_of_its_day(
    made: date, today: date
) -> None:
    rules = ReuseRules(today)
    last = rules.usable_until(made)

    assert made <= last
    assert (last - made).days <= rules.on(last).reuse
    after = last + timedelta(days=1)
    assert (after - made).days > rules.on(after).reuse


@given(DAYS, st.integers(-400, 800))
def test_when_a_validation_was_made_is_never_after_today_or_its_end(today: date, left: int) -> None:
    expires = today + timedelta(days=left)
    made = made_on(expires, today)

    assert made <= today
    assert made <= expires
    assert ReuseRules(today).last_day(expires) <= expires


def test_the_steps_follow_each_other_and_only_shorten() -> None:
    assert sorted(STEPS, key=lambda step: step.begins) == list(STEPS)
    assert [step.reuse for step in STEPS] == sorted((step.reuse for step in STEPS), reverse=True)
