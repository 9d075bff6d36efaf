"""Tests of the breaker's pauses."""

from datetime import timedelta

from certline.models.accounts.breaker import LONGEST_PAUSE, MOST_FAILURES, pause_after


def test_a_few_failures_in_a_row_are_no_reason_to_stop() -> None:
    assert [pause_after(failures) for failures in range(MOST_FAILURES)] == [None] * MOST_FAILURES


def test_each_probe_that_fails_doubles_the_pause_up_to_ten_minutes() -> None:
    pauses = [pause_after(MOST_FAILURES + probes) for probes in range(7)]

    assert pauses == [timedelta(seconds=seconds) for seconds in (30, 60, 120, 240, 480, 600, 600)]
    assert pause_after(10**6) == LONGEST_PAUSE
