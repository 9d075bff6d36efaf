"""Results that all requests of a board share for a while, because finding them takes longer the more is stored."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from certline.models import Database

Value = TypeVar("Value")
# Seconds for which a result is shown as it is; after that it is shown once more, and found anew meanwhile.
FRESH = 300.0
# Results that are kept of one board, at most.
MOST = 100
# Threads that find results, and those of them that do it at once: each has a connection to the database.
MOST_SEARCHES, AT_ONCE = 20, 2
# Milliseconds that a statement of such a thread may take; nobody waits for it with a page open.
MOST_STATEMENT = 60_000


class KeptResults:
    """Results of one board by their key, each with the time at which it was found.

    A result is found by one thread at a time: fifty who ask for the same cost the database no more than one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._turns: dict[Hashable, threading.Lock] = {}
        self._found: dict[Hashable, tuple[float, object]] = {}
        self._searches: dict[Hashable, threading.Thread] = {}
        self._failed: dict[Hashable, SQLAlchemyError] = {}
        self._at_once = threading.BoundedSemaphore(AT_ONCE)

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
        if time.monotonic() - known[0] > FRESH:
            self._search(key, lambda own: self._keep(key, find(own)))
        return cast("Value", known[1])

    def soon(
        self, key: Hashable, find: Callable[[Session], Value], patience: float
    ) -> Value | None:
        """Return the result for a key, or None if it is not found within `patience` seconds.

        Another thread finds it and goes on: who asks again later gets it. Raises what the database raised.
        """
        with self._lock:
            known = self._found.get(key)
        if known is None:
            search = self._search(key, lambda db: self.get(db, key, find))
            if search is not None:
                search.join(patience)
            with self._lock:
                known = self._found.get(key)
                failed = self._failed.pop(key, None)
            if known is None and failed is not None:
                raise failed.with_traceback(None)
            return None if known is None else cast("Value", known[1])
        if time.monotonic() - known[0] > FRESH:
            self._search(key, lambda db: self._keep(key, find(db)))
        return cast("Value", known[1])

    def _search(self, key: Hashable, work: Callable[[Session], object]) -> threading.Thread | None:
        """Start a thread for a key, unless one is at work. Returns it, or None if there are too many."""
        with self._lock:
            search = self._searches.get(key)
            if search is None and len(self._searches) < MOST_SEARCHES:
                search = threading.Thread(target=self._work, args=(key, work), daemon=True)
                self._searches[key] = search
                self._failed.pop(key, None)
                search.start()
            return search

    def _work(self, key: Hashable, work: Callable[[Session], object]) -> None:
        try:
            with self._at_once, self._database.transaction() as db:
                db.execute(text(f"SET LOCAL statement_timeout = {MOST_STATEMENT}"))
                work(db)
        except SQLAlchemyError as error:
            # What is known stays; whoever waits is told, and whoever asks next tries again.
            with self._lock:
                if len(self._failed) >= MOST:
                    self._failed.clear()
                self._failed[key] = error
        finally:
            with self._lock:
                del self._searches[key]

    def _keep(self, key: Hashable, value: Value) -> Value:
        with self._lock:
            self._found[key] = (time.monotonic(), value)
            while len(self._found) > MOST:
                oldest = min(self._found, key=lambda each: self._found[each][0])
                del self._found[oldest]
                self._turns.pop(oldest, None)
        return value
