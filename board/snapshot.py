"""The snapshot that all who look at the board share: fifty of them cost the database no more than one."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import Database
from certline.models.overview.activity import Activity, recent_activity
from certline.models.overview.snapshot import Day, Snapshot, look_at_day, take_snapshot

# Seconds for which a snapshot is shown, and what takes longer the more is stored.
KEEP, KEEP_DAY = 3.0, 15.0


@dataclass(frozen=True)
class Sight:
    """The installation at a moment, as every page may show it."""

    snapshot: Snapshot
    activity: Activity


class SharedSnapshot:
    """Takes a snapshot when somebody looks and the last one is too old; those who look meanwhile wait for it."""

    def __init__(self, database: Database, settle: timedelta) -> None:
        self._database = database
        self._settle = settle
        self._lock = threading.Lock()
        self._sight: Sight | None = None
        self._failed: SQLAlchemyError | None = None
        self._until = self._day_until = self._failed_until = 0.0  # monotonic seconds

    def look(self) -> Sight:
        """Return a snapshot that is at most KEEP seconds old. Raises what the database raises."""
        with self._lock:
            if self._sight is None or time.monotonic() >= self._until:
                self._raise_failure()
                try:
                    self._sight = self._take(self._sight)
                except SQLAlchemyError as error:
                    self._failed, self._failed_until = error, time.monotonic() + KEEP
                    raise
                self._until = time.monotonic() + KEEP
            return self._sight

    def _raise_failure(self) -> None:
        """Raise what was raised just now: nobody waits again for a database that does not answer."""
        if self._failed is not None and time.monotonic() < self._failed_until:
            raise self._failed.with_traceback(None)
        self._failed = None

    def _take(self, last: Sight | None) -> Sight:
        is_fresh = last is not None and time.monotonic() < self._day_until
        with self._database.transaction() as db:
            if last is not None and is_fresh:
                day, activity = last.snapshot.day, last.activity
            else:
                day, activity = self._day(db)
            return Sight(take_snapshot(db, self._settle, day), activity)

    def _day(self, db: Session) -> tuple[Day, Activity]:
        found = look_at_day(db), recent_activity(db)
        self._day_until = time.monotonic() + KEEP_DAY
        return found
