"""Waiting for commands: reports progress, and decides the exit code.

Polls the database rather than the broker, because only the database keeps the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import DONE, FAILED, WAITS
from certline.cli.parameters.number import Seconds
from certline.cli.ui.output import answer, leave, say
from certline.cli.waiting.approval import how_to_approve, needs_approval
from certline.cli.waiting.state import WaitView, comes_next, describe, judge, look
from certline.cli.waiting.watch import Watch
from certline.models.documents.command import CommandDocument
from certline.models.states import CommandStatus, CommandType

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Command, Database

# Seconds before the user is warned that no worker has taken the command.
NOBODY_AFTER = 5.0
# What a sync reads, and its name in texts.
RESOURCES = {
    "organizations": "organisations",
    "domains": "domains",
    "profiles": "profiles",
    "custom_fields": "custom fields",
}
CHANGES = ("added", "changed", "gone")


def wait_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--wait` and `--timeout` to a command."""
    wait = click.option("--wait", is_flag=True, help="Wait until it ends, and show progress.")
    timeout = click.option(
        "--timeout",
        type=Seconds(),
        metavar="SECONDS",
        help="Wait at most this long, then exit 5; the command goes on. Implies --wait.",
    )
    return wait(timeout(command))


def started(
    commands: list[Command],
    *,
    wait: bool,
    timeout: float | None,
    as_list: bool = False,
    remarks: Sequence[str] = (),
    heads: bool = True,
) -> None:
    """Print the result of a command that started work, and exit.

    Prints the commands' ids, or with `wait` their outcome. `as_list`: an array even for one command.
    `remarks`: what is said about them beside; `heads`: name each command to people.
    """
    from sqlalchemy import select

    from certline.models import Command
    from certline.models.imports.run import show_progress

    held = any(command.status is CommandStatus.HELD for command in commands)
    code = WAITS if held else DONE
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
    documents = [CommandDocument.of(command) for command in commands]
    alone = len(documents) == 1 and not as_list
    answer(
        documents[0] if alone else documents,
        partial(_tell, commands, waited=wait, remarks=remarks, heads=heads),
    )
    leave(code)


def _tell(commands: list[Command], *, waited: bool, remarks: Sequence[str], heads: bool) -> None:
    for command in commands:
        about = command.subject or command.payload.get("order") or ""
        if heads:
            say(f"{command.type} {about}".rstrip() + f": command {command.id}")
        if command.type is CommandType.SYNC and command.status is CommandStatus.DONE:
            for text in changes(command.result or {}):
                say(f"  {text}")
        if command.type is CommandType.DELETE and command.status is CommandStatus.DONE:
            say(f"  {_deleted(command.result or {})}")
    for remark in remarks:
        say(remark)
    held = [command for command in commands if needs_approval(command)]
    for command in held:
        say(f"Nothing was done yet: {command.error}.\n{how_to_approve(command.id)}")
    if not waited and len(held) + len(remarks) < len(commands):
        ids = commands[0].id if len(commands) == 1 else "ID"
        say(f"It runs in the background; wait for it: certline command wait {ids}")


def _deleted(gone: Mapping[str, Any]) -> str:
    keys = gone["keys_destroyed"]
    count = len(gone.get("certificates", []))
    what = f"{count} of its certificates and" if count else "the order and"
    return f"Deleted from certline: {gone['common_name']}, {what} {keys} private key{'' if keys == 1 else 's'}."


def changes(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each resource: how many there are, and what was added, changed or is gone."""
    for resource, noun in RESOURCES.items():
        counts = result.get(resource)
        if counts is None:
            continue
        told = [_change(counts, what) for what in CHANGES if counts[what]]
        yield f"{counts['total']} {noun}: {'; '.join(told) or 'nothing has changed'}"


def _change(counts: Mapping[str, Any], what: str) -> str:
    names = counts.get("names", {}).get(what, [])
    if not names:
        return f"{counts[what]} {what}"
    rest = counts[what] - len(names)
    return f"{counts[what]} {what} ({', '.join(names)}{f' and {rest} more' if rest else ''})"


def wait_for(database: Database, ids: list[str], timeout: float | None) -> int:
    """Wait until every command has ended or cannot go on without an operator, and return the exit code.

    `timeout` is in seconds. Raises OperationalError if Postgres is away for longer than AWAY_AFTER.
    """
    return CommandWatch(database, ids).wait(timeout)


class CommandWatch(Watch[list[WaitView]]):
    """The commands being waited for, and what was reported about them."""

    look_every = 0.2

    def __init__(self, database: Database, ids: list[str]) -> None:
        super().__init__(database)
        self._open = list(dict.fromkeys(ids))
        self._codes: list[int] = []
        self._several = len(self._open) > 1
        self._said: dict[str, str] = {}
        # What was last said of each command with its order's next time: a new time is said again.
        self._planned: dict[str, tuple[str, datetime | None]] = {}
        self._views: dict[str, WaitView] = {}
        self._told_nobody = False

    @property
    def code(self) -> int | None:
        """The worst exit code once every command has ended: failed before waiting before done."""
        if self._open:
            return None
        return max(self._codes, key=(DONE, WAITS, FAILED).index, default=DONE)

    def load(self, db: Session) -> list[WaitView]:
        """Load the commands that have not ended."""
        return [look(db, command_id) for command_id in self._open]

    def report(self, now: list[WaitView]) -> None:
        """Report changes, and strike off the commands that have ended."""
        for view in now:
            ending = judge(view)
            text = ending.text if ending else describe(view)
            if ending is None and view.command.type is CommandType.IMPORT:
                self._count(view.command.id, text)
            else:
                self._say(view.command.id, text, view=view, ended=ending is not None)
            if ending is not None:
                self._open.remove(view.command.id)
                self._codes.append(ending.code)
        self._hint([view.command for view in now])

    def line(self) -> str:
        """Return the text of the status line."""
        if self._several:
            total = len(self._open) + len(self._codes)
            return f"{len(self._codes)} of {total} ended, {self.seconds():.0f} s"
        text = next(iter(self._said.values()), "…")
        next_up = "".join(comes_next(view, datetime.now(UTC)) for view in self._views.values())
        return f"{text}{next_up}, {self.seconds():.0f} s"

    def away(self) -> None:
        """Report once that Postgres does not answer."""
        self._say("", "Postgres does not answer; trying again")

    def goes_on(self) -> str:
        """Return the sentence that says how to go on waiting."""
        if len(self._open) == 1:
            return f"the command goes on: certline command wait {self._open[0]}"
        return "the commands go on: certline command list"

    def _say(
        self, command_id: str, text: str, *, view: WaitView | None = None, ended: bool = False
    ) -> None:
        step = None if view is None or ended else view.step
        planned = (text, None if step is None else step.not_before)
        if view is not None and not ended:
            self._views[command_id] = view
        else:
            self._views.pop(command_id, None)
        if self._planned.get(command_id) == planned:
            return
        self._planned[command_id], self._said[command_id] = planned, text
        if view is not None and not ended:
            text += comes_next(view, datetime.now(UTC))
        name = ""
        if self._several and view is not None:
            name = f"{view.command.type} {view.command.subject or view.command.id}: "
        self.tell(f"[{self.seconds():5.1f} s] {name}{text}")

    def _count(self, command_id: str, text: str) -> None:
        """Report changing counts only every COUNTS_EVERY seconds; the status line shows each."""
        if self.counts_are_due():
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
            self.tell("no worker is running: start `certline up` in another terminal")
        else:
            self.tell(
                "no worker has taken it yet: are relay and worker running? See `certline doctor`"
            )
