"""Tests of spans: what is recorded of them, by which sampler, and what never is."""

import pytest

from certline.models.events.trace_context import current_traceparent, new_traceparent, trace_id_of
from certline.workers.tracing.span import SpanKind, annotate, late_span, mark_failed, span
from tests.support.recorded_spans import above, facts, id_of_span, recorded_spans, trace_of

OUTSIDE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_an_inner_span_is_below_the_outer_one() -> None:
    with recorded_spans() as recorded, span("outer") as outer, span("inner", SpanKind.CLIENT):
        annotate({"certline.step": "order", "certline.order.id": None})

    inner = recorded.one("inner")
    assert above(inner) == id_of_span(recorded.one("outer")) == outer[36:52]
    assert facts(inner) == {"certline.step": "order"}
    assert facts(recorded.one("outer")) == {}
    assert current_traceparent() is None


def test_an_error_is_named_and_its_text_is_not_recorded() -> None:
    with recorded_spans() as recorded, pytest.raises(ValueError, match="secret"), span("broken"):
        raise ValueError("secret")

    broken = recorded.one("broken")
    assert facts(broken) == {"error.type": "ValueError"}
    assert (broken.events, broken.status.description, broken.status.is_ok) == ((), None, False)


def test_the_first_span_of_a_trace_that_nothing_was_recorded_of_is_its_root() -> None:
    made = new_traceparent()
    with recorded_spans() as recorded:
        with span("first", parent=made):
            pass
        with span("another"):
            pass

    first, another = recorded.one("first"), recorded.one("another")
    assert (trace_of(first), above(first)) == (trace_id_of(made), None)
    assert trace_of(another) != trace_of(first)


def test_the_sampler_decides_about_a_trace_that_begins_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    with recorded_spans() as recorded:
        with span("here", parent=new_traceparent()) as silent:
            pass
        with span("outside", parent=OUTSIDE):
            pass

    assert [each.name for each in recorded.spans] == ["outside"]
    assert not int(silent[53:55], 16) & 1


def test_a_late_span_has_begun_when_its_block_did() -> None:
    with recorded_spans() as recorded, span("before"), late_span() as late:
        with span("meanwhile"):
            pass
        late.begin("late", SpanKind.CONSUMER, parent=OUTSIDE, attributes={"a": 1})
        late.begin("again", SpanKind.CONSUMER, parent=OUTSIDE, attributes={})
        mark_failed("refused")

    assert [each.name for each in recorded.spans] == ["before", "late", "meanwhile"]
    assert facts(recorded.one("late")) == {"a": 1, "error.type": "refused"}


def test_a_late_span_that_never_begins_is_none() -> None:
    with recorded_spans() as recorded, late_span():
        pass

    assert recorded.spans == []


def test_without_a_recorder_the_trace_goes_on() -> None:
    with span("outer", parent=OUTSIDE) as outer, span("inner") as inner:
        annotate({"a": 1})
        mark_failed("nobody hears")

    assert outer == inner == OUTSIDE
