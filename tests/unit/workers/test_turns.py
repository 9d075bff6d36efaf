"""Tests of calls reserved together: few at a usual rate, and none that is outdated."""

from datetime import timedelta

import pytest

from certline.workers.runtime import turns
from certline.workers.runtime.turns import MOST_AHEAD, Turns, turns_together

NOW = timedelta(0)


@pytest.mark.parametrize(
    ("per_second", "count"), [(0.5, 1), (10, 1), (19, 1), (20, 2), (1000, MOST_AHEAD)]
)
def test_a_tenth_of_a_second_is_taken_together(per_second: float, count: int) -> None:
    assert turns_together(per_second) == count


def test_turns_come_in_their_order_and_each_once() -> None:
    left = Turns()
    left.put([NOW, timedelta(seconds=30)])

    first, second = left.take(), left.take()

    assert first == 0
    assert second is not None
    assert second > 20
    assert left.take() is None


def test_a_turn_that_nobody_used_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Turns()
    left.put([NOW])
    monkeypatch.setattr(turns, "STALE", -1)

    assert left.take() is None


def test_dropped_turns_are_gone() -> None:
    left = Turns()
    left.put([NOW, NOW])

    left.drop()

    assert left.take() is None
