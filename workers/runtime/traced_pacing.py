"""Spans of the calls to SCM, made by the client's own hooks.

SCM itself is told nothing of them: it is a service of another company.
"""

import threading
import time

from certline.models.events.trace_context import current_traceparent
from certline.workers.runtime.call_outcome import outcome_of
from certline.workers.scm.errors import ScmError
from certline.workers.scm.pacing import Pacing
from certline.workers.tracing.span import SpanKind, recorder_in_use


class TracedPacing:
    """A Pacing whose calls are spans. They begin once the call may, so that no wait for a turn counts."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._local = threading.local()

    def before(self, operation: str) -> None:
        """Return when the call may begin. Raises TooSoon or LoginRefused to prevent the call."""
        self._pacing.before(operation)
        self._local.begun = time.time_ns()

    def after(self, operation: str, error: ScmError | None, status: int | None) -> None:
        """Record how the call ended."""
        recorder = recorder_in_use()
        if recorder is not None:
            outcome = outcome_of(error)
            call = recorder.begin(
                f"scm {operation}",
                SpanKind.CLIENT,
                current_traceparent(),
                {
                    "certline.scm.operation": operation,
                    "certline.outcome": outcome,
                    "http.response.status_code": status,
                    "certline.scm.code": None if error is None else error.code,
                },
                self._local.begun,
            )
            if error is not None:
                call.fail(outcome)
            call.end()
        self._pacing.after(operation, error, status)
