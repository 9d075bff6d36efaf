"""Waiting for commands: reports progress, and decides the exit code.

Polls the database rather than the broker, because only the database keeps the outcome.
"""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import Any

import rich_click as click
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from certline.cli import context
from certline.cli.errors import DONE, FAILED, TIMED_OUT, WAITS
from certline.cli.ui.documents import command_document
from certline.cli.ui.output import answer, console, leave, say, whisper
from certline.cli.waiting.changes import changes
from certline.cli.waiting.state import WaitView, describe, judge, look
from certline.models import Command, CommandStatus, CommandType, Database
from certline.models.imports.run import show_progress

# Seconds between two polls of the database.
LOOK_EVERY = 0.2
# Seconds before the user is warned that no worker has taken the command.
NOBODY_AFTER = 5.0
# Seconds between two lines with counts; the status line shows every count.
COUNTS_EVERY = 10.0
# Seconds for which Postgres may be away, enough for a restart.
AWAY_AFTER = 60.0


def wait_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--wait` and `--timeout` to a command."""
    wait = click.option("--wait", is_flag=True, help="Wait until it ends, and show progress.")
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Wait at most this long, then exit 5; the command goes on. Implies --wait.",
    )
    return wait(timeout(command))


def started(
    commands: list[Command], *, wait: bool, timeout: float | None, as_list: bool = False
) -> None:
    """Print the result of a command that started work, and exit.

    Prints the commands' ids, or with `wait` their outcome. `as_list`: an array even for one command.
    """
    code = DONE
    wait = wait or timeout is not None
    if wait:
        code = wait_for(context.database(), [command.id for command in commands], timeout)
        with context.database().transaction() as db:
            query = select(Command).where(Command.id.in_([command.id for command in commands]))
            # Loaded again, because the given rows date from before the wait; `IN` returns them in
            # any order.
            by_id = {command.id: command for command in db.scalars(query)}
        commands = [by_id[command.id] for command in commands]
    with context.database().transaction() as db:
        show_progress(db, commands)
    documents = [command_document(command) for command in commands]
    alone = len(documents) == 1 and not as_list
    answer(documents[0] if alone else documents, partial(_tell, commands, waited=wait))
    leave(code)


def _tell(commands: list[Command], *, waited: bool) -> None:
    for command in commands:
        say(f"{command.type} {command.subject or ''}".rstrip() + f": command {command.id}")
        if command.type is CommandType.SYNC and command.status is CommandStatus.DONE:
            for text in changes(command.result or {}):
                say(f"  {text}")
    if not waited:
        ids = commands[0].id if len(commands) == 1 else "ID"
        say(f"It runs in the background; wait for it: certline command wait {ids}")


def wait_for(database: Database, ids: list[str], timeout: float | None) -> int:
    """Wait until every command has ended or cannot go on without an operator, and return the exit code.

    `timeout` is in seconds. Raises OperationalError if Postgres is away for longer than AWAY_AFTER.
    """
    screen = console(err=True)
    live = sys.stderr.isatty()
    # While rich shows a status line, all other output has to go through rich too.
    watch = Watch(database, ids, partial(screen.print, soft_wrap=True) if live else whisper)
    try:
        with screen.status("…") if live else nullcontext() as status:
            while watch.open:
                watch.look()
                if status is not None:
                    status.update(watch.now())
                if timeout is not None and watch.seconds() >= timeout and watch.open:
                    return watch.give_up()
                if watch.open:
                    time.sleep(LOOK_EVERY)
    except KeyboardInterrupt:
        whisper("\n" + watch.goes_on())
        raise
    # The worst exit code wins: failed before waiting before done.
    return max(watch.codes, key=(DONE, WAITS, FAILED).index, default=DONE)


class Watch:
    """The commands being waited for, and what was reported about them."""

    def __init__(self, database: Database, ids: list[str], tell: Callable[[str], object]) -> None:
        self._tell = tell
        self.open = list(dict.fromkeys(ids))
        self.codes: list[int] = []
        self._database = database
        self._several = len(self.open) > 1
        self._said: dict[str, str] = {}
        self._start = time.monotonic()
        self._seen = self._start
        self._told_nobody = False
        self._counted = -COUNTS_EVERY

    def seconds(self) -> float:
        """Return the seconds waited so far."""
        return time.monotonic() - self._start

    def look(self) -> None:
        """Poll the database and report changes. Raises OperationalError if it is away too long."""
        try:
            with self._database.transaction() as db:
                views = [look(db, command_id) for command_id in self.open]
        except OperationalError:
            if time.monotonic() - self._seen > AWAY_AFTER:
                raise
            self._say("", "Postgres does not answer; trying again")
            return
        self._seen = time.monotonic()
        for view in views:
            ending = judge(view)
            text = ending.text if ending else describe(view)
            if ending is None and view.command.type is CommandType.IMPORT:
                self._count(view.command.id, text)
            else:
                self._say(view.command.id, text, view=view)
            if ending is not None:
                self.open.remove(view.command.id)
                self.codes.append(ending.code)
        self._hint([view.command for view in views])

    def now(self) -> str:
        """Return the text of the status line."""
        if self._several:
            return f"{len(self.codes)} of {len(self.open) + len(self.codes)} ended, {self.seconds():.0f} s"
        return f"{next(iter(self._said.values()), '…')}, {self.seconds():.0f} s"

    def give_up(self) -> int:
        """Report that the timeout has passed, and return the exit code."""
        self._tell(f"not ended after {self.seconds():.0f} s; " + self.goes_on())
        return TIMED_OUT

    def goes_on(self) -> str:
        """Return the sentence that says how to go on waiting."""
        if len(self.open) == 1:
            return f"the command goes on: certline command wait {self.open[0]}"
        return "the commands go on: certline command list"

    def _say(self, command_id: str, text: str, *, view: WaitView | None = None) -> None:
        if self._said.get(command_id) == text:
            return
        self._said[command_id] = text
        name = ""
        if self._several and view is not None:
            name = f"{view.command.type} {view.command.subject or view.command.id}: "
        self._tell(f"[{self.seconds():5.1f} s] {name}{text}")

    def _count(self, command_id: str, text: str) -> None:
        """Report changing counts only every COUNTS_EVERY seconds; the status line shows each."""
        if self.seconds() - self._counted >= COUNTS_EVERY:
            self._counted = self.seconds()
            self._say(command_id, text)
        else:
            self._said[command_id] = text

    def _hint(self, commands: list[Command]) -> None:
        now = datetime.now(UTC)
        # Only due commands that never started count: a command waiting for its time says nothing
        # about workers.
        untouched = any(
            command.status is CommandStatus.QUEUED
            and command.started_at is None
            and command.not_before <= now
            for command in commands
        )
        if not untouched or self._told_nobody or self.seconds() < NOBODY_AFTER:
            return
        self._told_nobody = True
        if context.settings().rabbitmq_url is None:
            self._tell("no worker is running: start `certline up` in another terminal")
        else:
            self._tell(
                "no worker has taken it yet: are relay and worker running? See `certline doctor`"
            )
