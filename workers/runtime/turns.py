"""Turns under the rate limit that a process has taken in advance: they save a transaction for each call."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta

# Seconds' worth of turns taken in advance, and their maximum number: by this many calls the workers together may
# exceed an account's rate for a moment, for each process.
AHEAD = 0.1
MOST_AHEAD = 8
# Seconds after its due time until which a turn may be used: a step makes its last call so long after its first at
# most, as a rule. Older ones are dropped, or they would add up to a burst above the rate.
STALE = 1.0


def turns_together(per_second: float) -> int:
    """Return the number of turns to take at once: a tenth of a second's worth of calls, but at least one."""
    return max(1, min(MOST_AHEAD, int(per_second * AHEAD)))


class Turns:
    """Turns taken in advance, of one account and one kind of call. Safe to share between threads."""

    def __init__(self) -> None:
        self._due: deque[float] = deque()  # monotonic seconds
        self._lock = threading.Lock()

    def put(self, waits: Iterable[timedelta]) -> None:
        """Add turns that are due after these waits, given in ascending order."""
        now = time.monotonic()
        with self._lock:
            self._due.extend(now + wait.total_seconds() for wait in waits)

    def take(self, within: float = float("inf")) -> float | None:
        """Take the next turn if it is due `within` these seconds. Returns when it is due, or None."""
        now = time.monotonic()
        with self._lock:
            while self._due and self._due[0] <= now + within:
                due = self._due.popleft()
                if due > now - STALE:
                    return max(0.0, due - now)
        return None

    def __len__(self) -> int:
        """Number of turns that are left; some of them may be too old."""
        return len(self._due)

    def drop(self) -> None:
        """Drop all turns after an error, so that the next call checks account and breaker again."""
        with self._lock:
            self._due.clear()
