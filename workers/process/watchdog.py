"""Notices a loop that no longer turns, for `/livez`: waiting for a server that is away is no such fault."""

import time

# Seconds. A turn makes a few statements, bounded by the time-outs of Postgres (60 s each, 10 s to connect), and
# waits for RabbitMQ within its heartbeats: one that takes longer than this does not end.
STUCK_AFTER = 600.0


class Watchdog:
    """Is fed at each turn of a process' loop."""

    def __init__(self) -> None:
        self._fed = time.monotonic()

    def feed(self) -> None:
        """Note that the loop turns."""
        self._fed = time.monotonic()

    def fault(self) -> str | None:
        """Return that the loop is stuck, or None."""
        seconds = time.monotonic() - self._fed
        if seconds <= STUCK_AFTER:
            return None
        return f"its loop has not turned for {seconds:.0f} s"
