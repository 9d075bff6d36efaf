"""The relay's bell: the NOTIFY that tells it of new outbox rows.

Postgres lets one transaction with a NOTIFY commit at a time in the whole cluster, and holds that lock until the
commit is on disk. So a process rings with a commit only now and then; in between it rings by transactions of its
own, which write nothing and wait for no disk, a few milliseconds later.
"""

import threading
import time
from contextlib import suppress

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

# NOTIFY channel on which the relay listens.
WAKE_CHANNEL = "certline_outbox"
RING = text(f"NOTIFY {WAKE_CHANNEL}")
# Seconds between two rings of a process. Without a storm, each commit rings.
BETWEEN = 0.1


class Bell:
    """Bell of one pool of connections; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._rang_at = 0.0  # monotonic seconds
        self._due = False
        self._ringer: threading.Thread | None = None

    def rings_with_commit(self) -> bool:
        """Return whether the commit that is about to be made rings; if not, `ring` has to be called after it."""
        now = time.monotonic()
        with self._lock:
            if now < self._rang_at + BETWEEN:
                return False
            self._rang_at = now
            return True

    def ring(self) -> None:
        """Ring in a moment, for all commits until then. If this process ends before, the relay looks by itself."""
        with self._lock:
            if not self._due:
                self._due = True
                self._ringer = threading.Thread(target=self._ring_soon, name="bell", daemon=True)
                self._ringer.start()

    def fall_silent(self) -> None:
        """Wait for a ring that is due."""
        if self._ringer is not None:
            self._ringer.join()

    def _ring_soon(self) -> None:
        time.sleep(max(0.0, self._rang_at + BETWEEN - time.monotonic()))
        with self._lock:
            # Before ringing: what is committed from now on needs another ring.
            self._due, self._rang_at = False, time.monotonic()
        # Without Postgres there is nobody to hear it.
        with suppress(SQLAlchemyError), self._engine.connect() as own:
            own.execution_options(isolation_level="AUTOCOMMIT").execute(RING)
