"""Tests of how many workers run by default, and of what bounds the calls to SCM."""

from typing import Any

import pytest

from certline.models.settings import Settings
from certline.producers.capacity import (
    LEAST_THREADS,
    MOST_THREADS,
    Size,
    bound_of,
    sized,
    usable_cores,
)


def with_rates(**rates: Any) -> Settings:
    return Settings(**rates)


def test_one_process_is_enough_for_the_usual_rate_limit() -> None:
    assert sized(with_rates(), cores=32) == Size(1, 13)
    assert sized(with_rates(rate_read=5, rate_order=1), cores=32) == Size(1, 7)


def test_a_slow_account_gets_no_more_threads_than_calls_that_may_be_in_progress() -> None:
    assert sized(with_rates(rate_read=0.5, rate_order=0.1), cores=8) == Size(1, LEAST_THREADS)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_a_fast_account_gets_a_process_for_each_core(cores: int) -> None:
    assert sized(with_rates(rate_read=10_000), cores=cores) == Size(cores, MOST_THREADS)


def test_what_is_given_stays_and_the_other_number_follows() -> None:
    assert sized(with_rates(), processes=3, threads=40, cores=2) == Size(3, 40)
    assert sized(with_rates(rate_read=100), processes=20, cores=2) == Size(20, 6)
    assert sized(with_rates(rate_read=10_000), threads=2, cores=2) == Size(1, 2)
    assert sized(with_rates(), threads=20, cores=2) == Size(1, 20)


def test_at_least_one_core_is_usable() -> None:
    assert usable_cores() >= 1


def test_without_workers_the_rate_limit_is_named() -> None:
    text = bound_of(10, []).import_text(10_000)
    assert text == (
        "an import of 10,000 takes at least 17 min: 10 calls a second (CERTLINE_RATE_READ)"
    )


@pytest.mark.parametrize(
    ("rate", "threads", "per_second", "reason"),
    [
        (10, [7, 7], 10, "CERTLINE_RATE_READ"),
        (100, [4], 30, "3 threads"),
        (10_000, [12, 12], 220, "22 threads"),
        (10_000, [40, 40], 300, "2 worker processes"),
        (10_000, [1], 10, "1 threads"),
    ],
)
def test_the_least_of_rate_threads_and_machine_bounds_the_calls(
    rate: float, threads: list[int], per_second: float, reason: str
) -> None:
    bound = bound_of(rate, threads)
    assert bound.per_second == per_second
    assert bound.reason.startswith(reason)
