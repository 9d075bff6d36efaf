"""The recorder of spans by OpenTelemetry. Imported only where tracing is on (`workers.tracing.setup`)."""

import threading

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from certline.models.events.trace_context import is_unrecorded, trace_id_of
from certline.workers.tracing.span import Attributes, SpanKind

KINDS = {
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
    SpanKind.PRODUCER: trace.SpanKind.PRODUCER,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
}


class TraceIds(RandomIdGenerator):
    """Generator of ids. A trace that was begun without a span keeps its id when its first one is recorded."""

    def __init__(self) -> None:
        self._local = threading.local()

    def go_on_with(self, trace_id: int | None) -> None:
        """Use this id for the next trace that this thread begins."""
        self._local.given = trace_id

    def generate_trace_id(self) -> int:
        """Return the id for a trace that begins."""
        given: int | None = getattr(self._local, "given", None)
        self._local.given = None
        return given if given is not None else int(super().generate_trace_id())


class OpenTelemetrySpan:
    """A span of OpenTelemetry that has begun; one that is not sampled records nothing."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """Traceparent of what happens in the span."""
        own = self._span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"

    def note(self, attributes: Attributes) -> None:
        """Add attributes; those that are None are left out."""
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(name, value)

    def fail(self, why: str) -> None:
        """Mark it as failed."""
        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, at: int | None = None) -> None:
        """End it, now or at a time (nanoseconds since 1970)."""
        self._span.end(at)


class OpenTelemetryRecorder:
    """What records spans by a provider whose ids are `TraceIds`."""

    def __init__(self, provider: TracerProvider, ids: TraceIds) -> None:
        self._tracer = provider.get_tracer("certline")
        self._ids = ids

    def begin(
        self, name: str, kind: SpanKind, above: str | None, attributes: Attributes, at: int | None
    ) -> OpenTelemetrySpan:
        """Begin a span under the traceparent `above`, now or at a time (nanoseconds since 1970)."""
        # An empty context: what somebody else has made current in this thread is no parent of ours.
        context = Context()
        trace_id = trace_id_of(above)
        if above is not None and not is_unrecorded(above):
            remote = SpanContext(
                int(above[3:35], 16),
                int(above[36:52], 16),
                is_remote=True,
                trace_flags=TraceFlags(int(above[53:55], 16)),
            )
            context = trace.set_span_in_context(NonRecordingSpan(remote), context=context)
        elif trace_id is not None:
            self._ids.go_on_with(int(trace_id, 16))
        begun = self._tracer.start_span(
            name,
            context=context,
            kind=KINDS[kind],
            attributes={key: value for key, value in attributes.items() if value is not None},
            start_time=at,
            record_exception=False,  # its text may quote a secret
            set_status_on_exception=False,
        )
        return OpenTelemetrySpan(begun)
