"""`certline hook`: deploy hooks, which run on the worker's machine."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.parameters.number import Whole
from certline.cli.ui.grammar import Group
from certline.cli.ui.grid import Column, style_of
from certline.cli.ui.listing import ListView, show_pages, status_option, view_options
from certline.cli.ui.lookup import find_account, find_certificate, find_command, find_hook
from certline.cli.ui.output import answer, facts, leave, say, table, whisper
from certline.cli.waiting.wait import started, wait_options
from certline.models.documents.hook import HookDocument, HookRunDocument
from certline.models.documents.projection import minute
from certline.models.states import CommandStatus, CommandType
from certline.models.validation import MOST_TIMEOUT, USUAL_TIMEOUT

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Command


@click.group(cls=Group)
def hook() -> None:
    """Deploy hooks: write files and run a command on the worker's machine for new certificates."""


def event_names(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[str]:
    """Return events by name, accepted with or without `certificate.`, in one text or several."""
    from certline.models.certificates.deploy_hook import HOOK_EVENTS

    names = [name for text in given for name in text.replace(",", " ").split()]
    return [HOOK_EVENTS.get(name.removeprefix("certificate."), name) for name in names]


@hook.command()
@click.argument("name")
@click.option(
    "--on",
    "events",
    multiple=True,
    required=True,
    metavar="EVENTS",
    callback=event_names,
    help="certificate.stored (any certificate), renewed, reissued; repeatable, or separated by commas.",
)
@click.option(
    "--command",
    metavar="TEXT",
    help="A program with its arguments, run without a shell. Its environment describes the certificate.",
)
@click.option(
    "--directory",
    metavar="DIR",
    help="Directory for the files, with a subdirectory per line. Default: temporary, for the command only.",
)
@click.option(
    "--common-name", metavar="PATTERN", help="Only names that match; * stands for any characters."
)
@click.option("--account", "account_name", metavar="NAME", help="Only of this account.")
@click.option(
    "--timeout",
    type=Whole(1, MOST_TIMEOUT),
    default=USUAL_TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help=f"Time limit for the command, at most {MOST_TIMEOUT} seconds.",
)
def add(name: str, *, account_name: str | None, **given: Any) -> None:
    """Write files and run a command for each certificate that is stored from now on.

    For certificates already stored: certline hook run NAME CERT.
    """
    from certline.models.certificates.deploy_hook import add_hook

    with context.database().transaction() as db:
        account = None if account_name is None else find_account(db, account_name)
        added = add_hook(db, name, who=context.person(), account=account, **given)
        named = {} if account is None else {account.id: account.name}
    answer(HookDocument.of(added, named), lambda: say(f"hook {name} is added"))
    whisper(f"For a certificate that is already stored: certline hook run {quote(name)} CERT")


@hook.command("list")
def list_() -> None:
    """List hooks by name."""
    from certline.models.certificates.deploy_hook import hooks

    with context.database().transaction() as db:
        named = _account_names(db)
        found = [HookDocument.of(row, named) for row in hooks(db)]
    rows = [
        (row.name, _words(row), row.common_name, row.command, row.directory, f"{row.timeout} s")
        for row in found
    ]
    answer(
        found,
        lambda: table(
            ["hook", "on", "names", "command", "directory", "timeout"],
            rows,
            empty="There are no hooks. To add one: certline hook add --help",
        ),
    )


@hook.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one hook."""
    with context.database().transaction() as db:
        found, named = find_hook(db, name), _account_names(db)
    document = HookDocument.of(found, named).as_dict()
    answer(document, lambda: facts({key.replace("_", " "): document[key] for key in document}))


@hook.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a hook. The files that it has written are kept."""
    from certline.models.certificates.deploy_hook import any_run_done, remove_hook

    with context.database().transaction() as db:
        found = find_hook(db, name)
        has_run = any_run_done(db, found.name)
        remove_hook(db, found, who=context.person())
    answer({"name": name, "removed": True}, lambda: say(f"hook {name} is removed"))
    if found.directory is None:
        return
    # The directory is on the workers' machines, which may or may not be this one.
    if Path(found.directory).is_dir():
        whisper(f"Its files are kept: {found.directory} contains private keys")
    elif has_run:
        whisper(
            f"The files that it has written are kept: on the workers' machines {found.directory} contains "
            "private keys"
        )


@hook.command()
@click.argument("name")
@click.argument("certificate_name", metavar="CERT")
@wait_options
def run(name: str, certificate_name: str, *, wait: bool, timeout: float | None) -> None:
    """Run a hook now for a stored certificate, whatever its events and filters."""
    from certline.models.certificates.deploy_hook import run_hook

    with context.database().transaction() as db:
        found, certificate = find_hook(db, name), find_certificate(db, certificate_name)
        command = run_hook(db, found, certificate, requested_by=context.person())
    started([command], wait=wait, timeout=timeout)


RUNS = [
    Column[HookRunDocument]("run", lambda row: row.id),
    Column[HookRunDocument]("hook", lambda row: row.hook),
    Column[HookRunDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[HookRunDocument]("common name", lambda row: row.common_name, 1, may_be_cut=True),
    Column[HookRunDocument]("tries", lambda row: row.attempts, rank=2),
    Column[HookRunDocument]("started (UTC)", lambda row: minute(row.started_at), rank=4),
    Column[HookRunDocument]("error", lambda row: row.error, rank=3, may_be_cut=True),
]


@hook.command()
@click.option("--hook", "name", metavar="NAME", help="Only runs of this hook.")
@click.option("--failed", is_flag=True, help="Only runs whose last try failed.")
@status_option(status.value for status in CommandStatus)
@view_options("created")
def runs(*, name: str | None, failed: bool, statuses: tuple[str, ...], view: ListView) -> None:
    """List runs of hooks, the newest first; with --json also the output of their commands."""
    from certline.models.certificates.deploy_hook import runs_listed

    show_pages(
        runs_listed(name=name, statuses=statuses, failed=failed),
        view,
        find=find_command,
        document=HookRunDocument.of,
        columns=RUNS,
        empty="There is no such run.",
    )


@hook.command()
@click.argument("run_ids", metavar="[RUN]...", nargs=-1)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every failed run whose certificate is active and that no later run has made good.",
)
@wait_options
def retry(run_ids: tuple[str, ...], *, every: bool, wait: bool, timeout: float | None) -> None:
    """Retry failed runs now. Exits 4 if there are none."""
    from certline.models.certificates.deploy_hook import runs_that_matter
    from certline.models.validation import BadCommandError
    from certline.producers.requests.commands import retry as run_again

    if every == bool(run_ids):
        raise click.UsageError("name the runs, or use --all")
    with context.database().transaction() as db:
        found = runs_that_matter(db) if every else [_run(db, run_id) for run_id in run_ids]
    if not found:
        answer([], lambda: say("No run has failed."))
        leave(NOTHING)
    try:
        again = [run_again(context.database(), row, requested_by=context.person()) for row in found]
    except BadCommandError as refusal:
        raise Fault(str(refusal), hint="To run it anyway: certline hook run NAME CERT") from None
    started(again, wait=wait, timeout=timeout, as_list=True)


def _run(db: Session, run_id: str) -> Command:
    found = find_command(db, run_id)
    if found.type is not CommandType.HOOK:
        raise Fault(f"command {found.id} is of type {found.type}, not the run of a hook")
    return found


def _account_names(db: Session) -> dict[int, str]:
    from certline.models.accounts.account import accounts

    return {row.id: row.name for row in accounts(db, removed=True)}


def _words(row: HookDocument) -> list[str]:
    return [event.removeprefix("certificate.") for event in row.events]
