"""The round of a producer through the audit log, which finds out whether somebody has changed it."""

import time

import structlog

from certline.models import Database
from certline.models.audit.patrol import patrol

log = structlog.get_logger()

# Seconds between two pieces: with 2,000 links each, a log of three million entries is checked once a day.
EVERY = 60.0


class AuditRound:
    """Checks a piece of the audit log every EVERY seconds. Any number of producers share one round."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = time.monotonic()

    def go_on(self) -> None:
        """Check the next piece, if it is time. A break is logged once, and shown by `certline_audit_broken`."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        with self._database.transaction() as db:
            found = patrol(db)
        if found is not None:
            log.error("audit.broken", why=found, advice="certline audit verify")
