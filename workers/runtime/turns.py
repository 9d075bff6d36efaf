"""Turns to call SCM that a process has taken together, because each one costs a question to Postgres.

At a rate of ten calls a second it is one at a time. At a high rate, where the questions would cost
more than the calls, it is a tenth of a second's worth, and no more than there are threads.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta

# Seconds of the rate that are taken together, and as many turns at most: what another process hears
# of SCM (the login is refused, 429) reaches this one so late.
AHEAD = 0.1
MOST_AHEAD = 8
# Seconds after which a turn that nobody used is forgotten.
STALE = 0.2


def turns_together(per_second: float) -> int:
    """How many turns are taken together at that rate."""
    return max(1, min(MOST_AHEAD, int(per_second * AHEAD)))


class Turns:
    """The turns that are left over; safe to share between threads."""

    def __init__(self) -> None:
        self._due: deque[float] = deque()  # monotonic seconds
        self._lock = threading.Lock()

    def put(self, waits: Iterable[timedelta]) -> None:
        """Keep turns that come after these waits, in order."""
        now = time.monotonic()
        with self._lock:
            self._due.extend(now + wait.total_seconds() for wait in waits)

    def take(self) -> float | None:
        """The seconds to wait for the next turn; None where none is left."""
        now = time.monotonic()
        with self._lock:
            while self._due:
                due = self._due.popleft()
                if due > now - STALE:
                    return max(0.0, due - now)
        return None

    def drop(self) -> None:
        """Forget all: something has gone wrong, so the next call asks first."""
        with self._lock:
            self._due.clear()
