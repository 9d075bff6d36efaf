"""Tests of the errors that count as an outage of SCM."""

import pytest

from certline.workers.runtime.pacing import is_out_of_order
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
