"""Which errors say that SCM itself is out of order, and turns that are taken together."""

from datetime import timedelta

import pytest

from certline.workers.runtime import turns
from certline.workers.runtime.call_outcome import is_out_of_order, is_scms_fault
from certline.workers.runtime.turns import MOST_AHEAD, Turns, turns_together
from certline.workers.scm import (
    Garbled,
    LoginRefused,
    NotFound,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmError,
    Throttled,
    TryAgain,
    Unavailable,
)

NOW = timedelta(0)


@pytest.mark.parametrize(
    "error",
    [
        NotSent("details", "ConnectionRefusedError"),
        OutcomeUnknown("enroll", "ReadTimeout"),
        OutcomeUnknown("details", "Found", status=302),  # to a page about maintenance
        Unavailable("details", "Service Unavailable", status=503),
        Unavailable("details", "internal", status=500, code=-14),
        Garbled("details", "not JSON", status=200),
    ],
)
def test_no_answer_or_one_that_is_not_scms_is_a_failure(error: ScmError) -> None:
    assert is_out_of_order(error)


@pytest.mark.parametrize(
    "error",
    [
        OutcomeUnknown("enroll", "being processed", status=400, code=-1400),
        TryAgain("details", "SCM is busy", status=400, code=-618),
        Refused("enroll", "a required field is missing", status=400, code=-7),
        NotFound("details", "no such certificate", status=404),
        NotReady("collect", "being processed", status=400, code=0),
        Throttled("details", "Too many requests", status=429),
        LoginRefused("details", "Unknown user", status=401, code=-16),
    ],
)
def test_scms_own_word_is_a_sign_of_life(error: ScmError) -> None:
    assert not is_out_of_order(error)


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


def test_a_turn_that_is_due_later_stays_for_whoever_can_wait() -> None:
    left = Turns()
    left.put([timedelta(seconds=1)])

    assert left.take(within=0) is None
    assert left.take() is not None


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (Unavailable("details", "Service Unavailable", status=503), True),
        (Throttled("details", "Too many requests", status=429), True),
        (LoginRefused("details", "Unknown user", status=401, code=-16), True),
        (Refused("enroll", "a required field is missing", status=400, code=-7), False),
        (NotReady("collect", "being processed", status=400, code=0), False),
    ],
)
def test_a_refused_request_is_no_failure_of_scm(error: ScmError, failed: bool) -> None:
    assert is_scms_fault(error) is failed
