"""Tests of the backoff: how long a line rests after failed renewals, and what the planner may do meanwhile."""

from datetime import timedelta

import pytest

from certline.models.certificates.backoff import (
    Backoff,
    may_renew_automatically,
    pause_after_failures,
)
from tests.factories import NOON


@pytest.mark.parametrize(
    ("failures", "minutes"), [(1, 1), (2, 10), (3, 100), (4, 1440), (5, 1440), (400, 1440)]
)
def test_a_line_rests_longer_after_each_failure_and_a_day_at_most(
    failures: int, minutes: int
) -> None:
    assert pause_after_failures(failures) == timedelta(minutes=minutes)


def test_a_line_without_a_failure_may_be_renewed() -> None:
    assert may_renew_automatically(Backoff(), NOON)


def test_a_line_that_rests_may_be_renewed_when_its_time_has_come() -> None:
    resting = Backoff(2, NOON, waits_for_person=False, reason="SCM was busy")

    assert not may_renew_automatically(resting, NOON - timedelta(seconds=1))
    assert may_renew_automatically(resting, NOON)


def test_a_line_that_waits_for_a_person_is_not_renewed_by_itself() -> None:
    refused = Backoff(1, None, waits_for_person=True, reason="the profile is gone")

    assert not may_renew_automatically(refused, NOON + timedelta(days=400))
