"""Tests of the spans of calls to SCM: their outcomes in a word, and that SCM is told nothing of them."""

import pytest

from certline.workers.runtime.call_outcome import outcome_of
from certline.workers.runtime.traced_pacing import TracedPacing
from certline.workers.scm import (
    AlreadyDone,
    Garbled,
    Login,
    LoginRefused,
    NotAsked,
    NotReady,
    NotSent,
    OutcomeUnknown,
    ScmClient,
    ScmError,
    Throttled,
    TooSoon,
    Unavailable,
)
from certline.workers.scm.pacing import Unpaced
from certline.workers.tracing.span import span
from tests.support.recorded_spans import above, facts, id_of_span, recorded_spans
from tests.unit.scm.odd_server import OddServer, as_json, http, ok


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (NotSent, "not_sent"),
        (OutcomeUnknown, "unknown"),
        (Unavailable, "unavailable"),
        (Garbled, "garbled"),
        (Throttled, "throttled"),
        (TooSoon, "throttled"),
        (LoginRefused, "login_refused"),
        (NotAsked, "login_refused"),
        (NotReady, "not_ready"),
        (AlreadyDone, "refused"),
    ],
)
def test_each_error_has_a_word(kind: type[ScmError], word: str) -> None:
    assert outcome_of(kind("enroll", "as it went")) == word
    assert outcome_of(None) == "ok"


def a_client(server: OddServer) -> ScmClient:
    login = Login(server.url, "c", "l", "secret")
    return ScmClient(login, read_timeout=2, pacing=TracedPacing(Unpaced()))


def test_a_call_is_a_span_below_what_makes_it_and_scm_is_told_nothing() -> None:
    with OddServer([ok([])]) as server, recorded_spans() as recorded:
        with span("step sync"):
            a_client(server).domains()
        [seen] = server.seen

    call = recorded.one("scm domains")
    assert above(call) == id_of_span(recorded.one("step sync"))
    assert facts(call)["http.response.status_code"] == 200
    assert {"traceparent", "tracestate", "baggage"}.isdisjoint(seen.headers)


@pytest.mark.parametrize(
    ("answer", "status", "outcome", "code"),
    [
        (http("503 Service Unavailable"), 503, "unavailable", None),
        (as_json("400 Bad Request", {"code": -14, "description": "why secret"}), 400, None, -14),
        (http("200 OK", b"<html>Maintenance</html>"), 200, "garbled", None),
    ],
)
def test_a_failure_is_marked_and_its_text_is_left_out(
    answer: bytes, status: int, outcome: str | None, code: int | None
) -> None:
    with OddServer([answer]) as server, recorded_spans() as recorded, pytest.raises(ScmError):
        a_client(server).domains()

    call = recorded.one("scm domains")
    assert not call.status.is_ok
    assert facts(call)["http.response.status_code"] == status
    assert facts(call).get("certline.scm.code") == code
    assert outcome in (None, facts(call)["certline.outcome"])
    assert "secret" not in str(facts(call)) + str(call.events) + str(call.status.description)
