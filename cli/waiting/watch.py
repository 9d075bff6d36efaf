"""The loop that every wait runs: poll the database, report, until the end or a timeout."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from certline.cli.errors import STOPPED, TIMED_OUT
from certline.cli.ui.output import console, whisper

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Database

State = TypeVar("State")

# Seconds between two lines with counts; the status line shows every count.
COUNTS_EVERY = 10.0
# Seconds for which Postgres may be away, enough for a restart.
AWAY_AFTER = 60.0


class Watch(ABC, Generic[State]):
    """Work that is waited for, and what was reported about it."""

    # Seconds between two polls of the database.
    look_every: float

    def __init__(self, database: Database) -> None:
        self._database = database
        self._start = self._seen = time.monotonic()
        self._counted = -COUNTS_EVERY
        self._screen = console(err=True)
        self.is_live = sys.stderr.isatty()
        # While rich shows a status line, all other output has to go through rich too.
        self.tell: Callable[[str], object] = (
            partial(self._screen.print, soft_wrap=True) if self.is_live else whisper
        )

    @property
    @abstractmethod
    def code(self) -> int | None:
        """The exit code if the wait is over, otherwise None."""

    @abstractmethod
    def load(self, db: Session) -> State:
        """Load the state of the work."""

    @abstractmethod
    def report(self, now: State) -> None:
        """Report what has changed, and find out whether the wait is over."""

    @abstractmethod
    def line(self) -> str:
        """Return the text of the status line."""

    @abstractmethod
    def goes_on(self) -> str:
        """Return the sentence that says how to go on waiting."""

    def away(self) -> None:
        """Report that Postgres does not answer."""

    def give_up(self) -> None:
        """Report that the timeout has passed."""
        self.tell(f"not ended after {self.seconds():.0f} s; {self.goes_on()}")

    def wait(self, timeout: float | None) -> int:
        """Wait until the work has ended or needs an operator, and return the exit code.

        `timeout` is in seconds. Ctrl-C ends the wait with STOPPED, so that the command still prints its document
        with the ids. Raises OperationalError if Postgres is away for longer than AWAY_AFTER.
        """
        try:
            with self._screen.status("…") if self.is_live else nullcontext() as status:
                while self.code is None:
                    self._look()
                    if status is not None:
                        status.update(self.line())
                    if self.code is not None:
                        break
                    if timeout is not None and self.seconds() >= timeout:
                        self.give_up()
                        return TIMED_OUT
                    time.sleep(self.look_every)
        except KeyboardInterrupt:
            whisper(f"\nstopped waiting; {self.goes_on()}")
            return STOPPED
        return self.code

    def seconds(self) -> float:
        """Return the seconds waited so far."""
        return time.monotonic() - self._start

    def counts_are_due(self) -> bool:
        """Return True, and start the next interval, if counts were not reported for COUNTS_EVERY seconds."""
        due = self.seconds() - self._counted >= COUNTS_EVERY
        if due:
            self._counted = self.seconds()
        return due

    def _look(self) -> None:
        from sqlalchemy.exc import OperationalError

        try:
            with self._database.transaction() as db:
                now = self.load(db)
        except OperationalError:
            if time.monotonic() - self._seen > AWAY_AFTER:
                raise
            self.away()
            return
        self._seen = time.monotonic()
        self.report(now)
