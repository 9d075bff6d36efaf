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
# Seconds after which the latter is too old to be shown while it is found anew: nobody had looked.
TOO_OLD = 60.0


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
        self._renewal: threading.Thread | None = None
        self._renewed: tuple[Day, Activity] | None = None

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
        with self._database.transaction() as db:
            if last is None or time.monotonic() >= self._day_until + TOO_OLD:
                day, activity = self._day(db)
            else:
                day, activity = self._renewed or (last.snapshot.day, last.activity)
                self._renewed = None
            if time.monotonic() >= self._day_until:
                self._renew_day()
            return Sight(take_snapshot(db, self._settle, day), activity)

    def _day(self, db: Session) -> tuple[Day, Activity]:
        found = look_at_day(db), recent_activity(db)
        self._day_until = time.monotonic() + KEEP_DAY
        return found

    def _renew_day(self) -> None:
        """Find the day anew in a thread, unless one is at it: of very many certificates it takes a while."""
        if self._renewal is None or not self._renewal.is_alive():
            self._renewal = threading.Thread(target=self._find_day, daemon=True)
            self._renewal.start()

    def _find_day(self) -> None:
        try:
            with self._database.transaction() as db:
                self._renewed = self._day(db)
        except SQLAlchemyError:
            # What is known stays, with its time; whoever looks next tries again.
            return
