"""Results that all requests of a board share for a while, because finding them takes longer the more is stored."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import Database

Value = TypeVar("Value")
# Seconds for which a result is shown as it is; after that it is shown once more, and found anew meanwhile.
FRESH = 300.0
# Results that are kept of one board, at most.
MOST = 100


class KeptResults:
    """Results of one board by their key, each with the time at which it was found.

    A result is found by one thread at a time: fifty who ask for the same cost the database no more than one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._turns: dict[Hashable, threading.Lock] = {}
        self._found: dict[Hashable, tuple[float, object]] = {}

    def get(self, db: Session, key: Hashable, find: Callable[[Session], Value]) -> Value:
        """Return the result for a key. `find` finds it if there is none (by `db`), or anew if it is old."""
        with self._lock:
            turn = self._turns.setdefault(key, threading.Lock())
            known = self._found.get(key)
        if known is None:
            with turn:
                with self._lock:
                    known = self._found.get(key)
                return cast("Value", known[1]) if known is not None else self._keep(key, find(db))
        if time.monotonic() - known[0] > FRESH and turn.acquire(blocking=False):
            threading.Thread(target=self._renew, args=(key, find, turn), daemon=True).start()
        return cast("Value", known[1])

    def _renew(
        self, key: Hashable, find: Callable[[Session], object], turn: threading.Lock
    ) -> None:
        try:
            with self._database.transaction() as db:
                found = find(db)
            self._keep(key, found)
        except SQLAlchemyError:
            # What is known stays; whoever asks next tries again.
            return
        finally:
            turn.release()

    def _keep(self, key: Hashable, value: Value) -> Value:
        with self._lock:
            self._found[key] = (time.monotonic(), value)
            while len(self._found) > MOST:
                oldest = min(self._found, key=lambda each: self._found[each][0])
                del self._found[oldest]
                self._turns.pop(oldest, None)
        return value
