"""How calls to SCM end: what that says about SCM, and how it is measured."""

import threading
import time

from certline.workers.metrics.instruments import SCM_CALL
from certline.workers.metrics.tally import observe
from certline.workers.scm import (
    Garbled,
    LoginRefused,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmError,
    Throttled,
    Unavailable,
)

# Outcomes of calls in the metric of their seconds, the most specific class first.
OUTCOMES: tuple[tuple[type[ScmError], str], ...] = (
    (LoginRefused, "login_refused"),
    (Throttled, "throttled"),
    (Unavailable, "unavailable"),
    (Garbled, "garbled"),
    (OutcomeUnknown, "unknown"),
    (NotSent, "not_sent"),
    (NotReady, "not_ready"),
    (Refused, "refused"),
)


def outcome_of(error: ScmError | None) -> str:
    """Return the word for how a call ended, for its metric."""
    if error is None:
        return "ok"
    return next((word for kind, word in OUTCOMES if isinstance(error, kind)), "other")


def is_out_of_order(error: ScmError) -> bool:
    """Return True if an error means that SCM is unreachable or failing, whatever the request was.

    A response with one of SCM's own error codes shows that SCM works, unless it is a 5xx.
    """
    if isinstance(error, OutcomeUnknown) and error.code is not None:
        return isinstance(error, Unavailable)
    return isinstance(error, NotSent | OutcomeUnknown | Garbled)


def is_scms_fault(error: ScmError) -> bool:
    """Return True if a call failed because SCM is out of order, or unwilling to serve this login at all.

    That it refuses a request, or asks for patience with a certificate, is everyday life.
    """
    return is_out_of_order(error) or isinstance(error, Throttled | LoginRefused)


class CallMeasure(threading.local):
    """Measures the calls of each thread, which makes one at a time."""

    begun: float | None = None  # monotonic seconds

    def start(self) -> None:
        """Begin to measure a call."""
        self.begun = time.monotonic()

    def end(self, operation: str, error: ScmError | None) -> None:
        """Record how the call ended that was begun last. Does nothing if none was."""
        if self.begun is not None:
            seconds = time.monotonic() - self.begun
            observe(SCM_CALL, seconds, operation, outcome_of(error))
