"""Spans that a test keeps in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from certline.workers.tracing.setup import record_with


class Recorded:
    """What was recorded, once `recorded_spans` has ended."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans, in order of their beginning."""
        return sorted(self._exporter.get_finished_spans(), key=lambda each: each.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of that name."""
        return [each for each in self.spans if each.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of that name."""
        [found] = self.named(name)
        return found

    def in_trace(self, trace_id: str) -> list[ReadableSpan]:
        """Return the spans of a trace."""
        return [each for each in self.spans if trace_of(each) == trace_id]


@contextmanager
def recorded_spans() -> Iterator[Recorded]:
    """Record spans for the length of the block; they can be read after it."""
    exporter = InMemorySpanExporter()
    end = record_with(exporter, "test")
    try:
        yield Recorded(exporter)
    finally:
        end(30)


def trace_of(span: ReadableSpan) -> str:
    """Return the trace id of a span."""
    return f"{span.context.trace_id:032x}"


def id_of_span(span: ReadableSpan) -> str:
    """Return the id of a span."""
    return f"{span.context.span_id:016x}"


def above(span: ReadableSpan) -> str | None:
    """Return the id of the span above a span, or None for a root."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def facts(span: ReadableSpan) -> dict[str, object]:
    """Return the attributes of a span."""
    return dict(span.attributes or {})
