"""Spans that never fail: an answer of SCM's, a step or a batch must not be lost over a fault of the recorder."""

from collections.abc import Callable

import structlog

from certline.models.events.trace_context import new_traceparent
from certline.workers.tracing.span import Attributes, RecordedSpan, Recorder, SpanKind

log = structlog.get_logger()


class HarmlessRecorder:
    """Records spans by another recorder. What cannot be recorded is left out; the first time it is logged."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._told = False

    def begin(
        self, name: str, kind: SpanKind, above: str | None, attributes: Attributes, at: int | None
    ) -> RecordedSpan:
        """Begin a span under the traceparent `above`, now or at a time (nanoseconds since 1970)."""
        try:
            begun = self._recorder.begin(name, kind, above, attributes, at)
            return _HarmlessSpan(begun, begun.traceparent, self.attempt)
        except Exception as error:  # noqa: BLE001  # of other people's code
            self._tell(error)
            return _HarmlessSpan(None, above or new_traceparent(), self.attempt)

    def attempt(self, work: Callable[[], None]) -> None:
        """Do something about a span. Never raises."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # of other people's code
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            # Its text may hold a secret: a collector's URL, or headers.
            log.error("tracing.not_recorded", error=type(error).__name__)


class _HarmlessSpan:
    """A span that has begun, or, without `span`, one that could not be recorded."""

    def __init__(
        self,
        span: RecordedSpan | None,
        traceparent: str,
        attempt: Callable[[Callable[[], None]], None],
    ) -> None:
        self._span = span
        self._attempt = attempt
        self.traceparent = traceparent

    def note(self, attributes: Attributes) -> None:
        """Add attributes; those that are None are left out."""
        if (span := self._span) is not None:
            self._attempt(lambda: span.note(attributes))

    def fail(self, why: str) -> None:
        """Mark it as failed; `why` is a word."""
        if (span := self._span) is not None:
            self._attempt(lambda: span.fail(why))

    def end(self, at: int | None = None) -> None:
        """End it, now or at a time (nanoseconds since 1970)."""
        if (span := self._span) is not None:
            self._attempt(lambda: span.end(at))
