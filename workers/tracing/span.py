"""Spans: what is done within a trace, for how long and with what outcome.

What is begun in a span's block belongs to its trace. Without a recorder, as by default, nothing is recorded, and
the block belongs to the trace all the same. Attributes hold no secret: they are ids, names of kinds, and statuses.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Protocol

from certline.models.events.trace_context import current_traceparent, new_traceparent, within

Value = str | int | float | bool
Attributes = Mapping[str, Value | None]


class SpanKind(StrEnum):
    """Kind of a span, as OpenTelemetry has them."""

    INTERNAL = "internal"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class RecordedSpan(Protocol):
    """A span that has begun. `traceparent`: of what happens in it."""

    @property
    def traceparent(self) -> str:
        """Traceparent of what happens in the span."""

    def note(self, attributes: Attributes) -> None:
        """Add attributes; those that are None are left out."""

    def fail(self, why: str) -> None:
        """Mark it as failed; `why` is a word, no text that somebody else wrote."""

    def end(self, at: int | None = None) -> None:
        """End it, now or at a time (nanoseconds since 1970)."""


class Recorder(Protocol):
    """What records spans."""

    def begin(
        self, name: str, kind: SpanKind, above: str | None, attributes: Attributes, at: int | None
    ) -> RecordedSpan:
        """Begin a span under the traceparent `above`, now or at a time (nanoseconds since 1970)."""


_recorder: Recorder | None = None
_innermost: ContextVar[RecordedSpan | None] = ContextVar("span", default=None)


def use_recorder(recorder: Recorder | None) -> None:
    """Have this process record its spans, or none any more."""
    global _recorder  # noqa: PLW0603  # one per process, as the logs have one configuration
    _recorder = recorder


def recorder_in_use() -> Recorder | None:
    """Return what records spans in this process; None if tracing is off."""
    return _recorder


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    parent: str | None = None,
    attributes: Attributes | None = None,
    at: int | None = None,
) -> Iterator[str]:
    """Do the block in a span. Yields the traceparent of what happens in it.

    `parent`: the traceparent that it belongs to; by default the current one, and without any it begins a trace.
    `at`: when it began (nanoseconds since 1970), if that was before.
    """
    above = parent or current_traceparent()
    recorder = _recorder
    if recorder is None:
        traceparent = above or new_traceparent()
        with within(traceparent):
            yield traceparent
        return
    begun = recorder.begin(name, kind, above, attributes or {}, at)
    before = _innermost.set(begun)
    try:
        with within(begun.traceparent):
            yield begun.traceparent
    except BaseException as error:
        begun.fail(type(error).__name__)
        raise
    finally:
        _innermost.reset(before)
        begun.end()


def annotate(attributes: Attributes) -> None:
    """Add attributes to the span of this block, if it is recorded."""
    innermost = _innermost.get()
    if innermost is not None:
        innermost.note(attributes)


def mark_failed(why: str) -> None:
    """Mark the span of this block as failed, if it is recorded; `why` is a word."""
    innermost = _innermost.get()
    if innermost is not None:
        innermost.fail(why)


class LateSpan:
    """A span of what begins before it is known to which trace it belongs: a message that is still to be read."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._at = time.time_ns()
        self._begun = False

    def begin(
        self, name: str, kind: SpanKind, *, parent: str | None, attributes: Attributes
    ) -> None:
        """Begin it, under `parent` or as a new trace, as of when the message came. Only the first call does."""
        if self._begun:
            return
        self._begun = True
        self._stack.enter_context(
            span(
                name,
                kind,
                parent=parent or new_traceparent(),
                attributes=attributes,
                at=self._at,
            )
        )


@contextmanager
def late_span() -> Iterator[LateSpan]:
    """Yield a span that is begun within the block, and ends with it."""
    with ExitStack() as stack:
        yield LateSpan(stack)
