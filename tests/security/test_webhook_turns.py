"""What a slow receiver of webhooks tries: to have all threads, or to have one all the time."""

import threading

import pytest

from certline.workers.webhooks import turns as module
from certline.workers.webhooks.turns import ReceiverTurns


def test_a_slow_receiver_has_no_second_turn_while_it_keeps_the_first() -> None:
    turns, others = ReceiverTurns(), []
    with turns.turn("slow") as first:
        for _ in range(3):
            with turns.turn("slow") as wait:
                others.append(wait)
        with turns.turn("other") as free:
            pass
    with turns.turn("slow") as after:
        pass

    assert (first, free) == (None, None)
    assert all(wait is not None and wait > 0 for wait in others)
    assert after is not None  # it was slow, and rests


def test_deliveries_that_wait_for_a_slow_receiver_come_back_at_different_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUICK", 0.01)
    turns, waits = ReceiverTurns(), list[float]()
    with turns.turn("slow"):
        for _ in range(200):
            with turns.turn("slow") as wait:
                waits.append(wait or 0.0)

    assert len(set(waits)) > 190
    assert min(waits) > 0
    assert max(waits) <= module.LONGEST


def test_a_quick_receiver_is_waited_for_and_leaves_nothing_behind() -> None:
    turns, got = ReceiverTurns(), threading.Event()

    def second() -> None:
        with turns.turn("quick") as wait:
            if wait is None:
                got.set()

    with turns.turn("quick"):
        thread = threading.Thread(target=second)
        thread.start()
    thread.join()

    assert got.is_set()
    assert turns._states == {}
