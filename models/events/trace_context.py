"""Trace context: the W3C `traceparent` that says to which trace something belongs, and what it was caused by.

Version 00 of https://www.w3.org/TR/trace-context/; `tracestate` is not passed on. It costs no statement and needs
no OpenTelemetry: an outside trace goes on in our events even where nothing is recorded (docs/tracing.md).
"""

import os
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Version, trace id, id of the span above, flags. A version after 00 may be longer.
FORMAT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Characters: the longest that is looked at, of any version.
LONGEST = 512
# Flag of a trace that its receivers may record.
SAMPLED = 0x01
# Key of `Session.info`: the trace that a transaction began because it belonged to none.
TRACE = "trace"

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def valid_traceparent(text: object) -> str | None:
    """Return a traceparent in version 00, or None if it is malformed: no error, since W3C has it ignored."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    found = FORMAT.fullmatch(text)
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not trace.strip("0") or not span.strip("0"):
        return None
    return f"00-{trace}-{span}-{flags}"


def new_traceparent() -> str:
    """Return the traceparent of a new trace, which nothing is recorded of yet (`is_unrecorded`).

    It is marked as sampled: whoever receives it may record, as without any.
    """
    trace = os.urandom(16).hex()
    return f"00-{trace}-{trace[:16]}-01"


def is_unrecorded(traceparent: str) -> bool:
    """Return True if `new_traceparent` made it: there is no span above, and no decision whether to record."""
    return traceparent[36:52] == traceparent[3:19]


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace id of a valid traceparent: 32 hexadecimal digits."""
    return None if traceparent is None else traceparent[3:35]


def is_sampled(traceparent: str) -> bool:
    """Return whether the trace is to be recorded."""
    return bool(int(traceparent[53:55], 16) & SAMPLED)


def current_traceparent() -> str | None:
    """Return the traceparent of what this thread is doing, or None outside of any trace."""
    return _current.get()


@contextmanager
def within(traceparent: str) -> Iterator[None]:
    """Have everything that is begun in this block belong to that trace."""
    before = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(before)


def traceparent_in(info: MutableMapping[Any, Any]) -> str:
    """Return the current traceparent, or that of a transaction without one, which begins a trace of its own.

    `info`: the transaction's `Session.info`.
    """
    current = _current.get()
    if current is None:
        current = info.setdefault(TRACE, new_traceparent())
    return str(current)
