"""Tests that nothing is lost over a span that cannot be recorded."""

import pytest

from certline.workers.runtime.traced_pacing import TracedPacing
from certline.workers.scm.pacing import Unpaced
from certline.workers.tracing.opentelemetry_recorder import OpenTelemetryRecorder, OpenTelemetrySpan
from certline.workers.tracing.span import annotate, span
from tests.support.recorded_spans import recorded_spans


def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a fault of the recorder")


@pytest.mark.parametrize(
    ("kind", "method"), [(OpenTelemetryRecorder, "begin"), (OpenTelemetrySpan, "end")]
)
def test_a_call_and_a_step_end_though_their_spans_cannot_be_recorded(
    kind: type, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, method, broken)
    ended = []
    pacing = Unpaced()
    monkeypatch.setattr(pacing, "after", lambda *call: ended.append(call))
    with recorded_spans(), span("step order") as traceparent:
        annotate({"certline.step": "order"})
        calls = TracedPacing(pacing)
        calls.before("enroll")
        calls.after("enroll", None, 200)

    assert ended == [("enroll", None, 200)]
    assert traceparent.startswith("00-")
