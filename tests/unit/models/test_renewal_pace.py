"""Tests of a batch's pace: how many are released, when it ends, and the limit in any hour."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.renewals.batch_pace import (
    CATCH_UP,
    HOUR,
    WINDOW,
    due_now,
    ends_at,
    next_turn,
    per_hour,
)
from tests.factories import NOON

paces = st.integers(min_value=1, max_value=60_000)


@pytest.mark.parametrize(
    ("written", "pace"), [("500/h", 500), (" 500/H ", 500), ("10/min", 600), ("7", 7)]
)
def test_a_pace_is_so_many_an_hour(written: str, pace: int) -> None:
    assert per_hour(written) == pace


@pytest.mark.parametrize("written", ["", "0/h", "fast", "500/day", "-3/h", "1.5/h", "500/"])
def test_what_is_no_pace_is_refused_in_words(written: str) -> None:
    with pytest.raises(ValueError, match="such as 500/h"):
        per_hour(written)


def test_without_a_pace_the_window_alone_counts() -> None:
    assert due_now(None, NOON, NOON - timedelta(days=1)) == WINDOW


def test_nobody_has_a_turn_before_the_time() -> None:
    assert due_now(500, NOON, NOON - timedelta(seconds=1)) == 0
    assert due_now(500, NOON, NOON) == 1


def test_a_pause_of_a_day_is_not_made_up() -> None:
    tomorrow = NOON + timedelta(days=1)

    due = due_now(600, NOON, tomorrow)

    assert due == 11
    assert next_turn(600, NOON, tomorrow, due) > tomorrow


@given(paces, st.lists(st.integers(min_value=0, max_value=1200), min_size=1, max_size=60))
def test_no_hour_has_more_than_the_pace_and_a_minute_of_it(pace: int, looks: list[int]) -> None:
    next_at, now = NOON, NOON
    released = []
    for seconds in looks:
        now += timedelta(seconds=seconds)
        due = due_now(pace, next_at, now)
        next_at = next_turn(pace, next_at, now, due)
        released.append((now, due))

    for begin, _ in released:
        within = sum(due for at, due in released if begin <= at < begin + HOUR)
        assert within <= pace + pace * (CATCH_UP / HOUR) + 2


@given(paces)
def test_what_is_looked_at_often_keeps_its_pace(pace: int) -> None:
    next_at, released = NOON, 0
    for look in range(0, 3601, 5):
        now = NOON + timedelta(seconds=look)
        due = due_now(pace, next_at, now)
        next_at = next_turn(pace, next_at, now, due)
        released += due

    assert abs(released - pace) <= 1


def test_the_end_is_told_by_the_pace() -> None:
    end = ends_at(60, NOON, NOON, waiting=61, running=3, ended=0, measured=timedelta(minutes=5))

    assert end == NOON + HOUR


def test_without_a_pace_the_end_is_told_by_what_is_achieved() -> None:
    end = ends_at(None, NOON, NOON, waiting=90, running=10, ended=50, measured=timedelta(minutes=5))

    assert end == NOON + timedelta(minutes=10)


def test_a_pace_that_cannot_be_kept_is_not_believed() -> None:
    end = ends_at(
        6000, NOON, NOON, waiting=1000, running=100, ended=50, measured=timedelta(minutes=5)
    )

    assert end == NOON + timedelta(minutes=110)


def test_before_anything_has_ended_nobody_knows() -> None:
    end = ends_at(None, NOON, NOON, waiting=90, running=10, ended=0, measured=timedelta(0))

    assert end is None
