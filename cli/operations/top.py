"""`certline top`: what goes on, on one screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from certline.cli import context
from certline.cli.parameters.number import Seconds
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import answer, as_json, console, say

if TYPE_CHECKING:
    from certline.models.overview.snapshot import Day, Snapshot

# Seconds for which the counts of the day are kept: the more is stored, the longer they take.
KEEP_DAY = 15.0
# Width of output that is no terminal: nothing is cut there.
UNLIMITED = 10_000
# The shortest interval between two looks, in seconds.
SHORTEST = 0.5


@click.command(cls=CliCommand)
@click.option(
    "--every",
    type=Seconds(),
    default=2.0,
    show_default="2",
    metavar="SECONDS",
    help="Seconds between two looks, at least half a second.",
)
def top(every: float) -> None:
    """Show what goes on and what waits for a person, on one screen that refreshes until q or Ctrl-C.

    Queues, outbox, calls to SCM, renewals of the last 24 hours, orders that should move, licence, accounts and
    parts. With --json, and where the output is no terminal, once.
    """
    # Loaded before the database is opened, which switches the collector on.
    from certline.cli.overview.lines import lines_of
    from certline.models.documents.overview import document_of

    screen = console()
    if not as_json() and screen.is_terminal and not screen.is_dumb_terminal:
        from certline.cli.overview.live import watch

        watch(screen, Looks(), max(SHORTEST, every))
        return
    found = Looks()()

    def tell() -> None:
        for line in lines_of(found, screen.width if screen.is_terminal else UNLIMITED):
            say("".join(piece.text for piece in line).rstrip())

    answer(document_of(found), tell)


class Looks:
    """Looks at the installation, one after the other; the counts of the day are taken every KEEP_DAY seconds."""

    def __init__(self) -> None:
        from certline.models.overview.snapshot import take_snapshot

        self._take = take_snapshot
        self._settings = context.settings()
        self._database = context.database()
        self._day: Day | None = None
        self._until = 0.0  # monotonic seconds

    def __call__(self) -> Snapshot:
        """Return a new snapshot."""
        fresh = self._day if time.monotonic() < self._until else None
        with self._database.transaction() as db:
            found = self._take(db, self._settings.settle, fresh)
        if found.day is not self._day:
            self._day, self._until = found.day, time.monotonic() + KEEP_DAY
        return found
