"""`certline command`: what was requested of certline, and the outcome."""

import click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.integration.decision import approve, decline
from certline.cli.parameters.number import Seconds
from certline.cli.ui import detail
from certline.cli.ui.grammar import Group
from certline.cli.ui.grid import Column, style_of
from certline.cli.ui.listing import ListView, show_pages, status_option, view_options
from certline.cli.ui.lookup import find_command
from certline.cli.ui.output import answer
from certline.cli.waiting.wait import started, wait_options
from certline.models.audit.identity import Identity
from certline.models.documents.command import CommandDocument
from certline.models.documents.projection import minute
from certline.models.states import CommandStatus, CommandType


@click.group(cls=Group)
def command() -> None:
    """Commands: what was requested of certline, and the outcome."""


@command.command()
@click.argument("command_id", metavar="ID")
def show(command_id: str) -> None:
    """Show one command with its result or its error."""
    from certline.models.imports.record import failed_records
    from certline.models.imports.run import show_progress

    with context.database().transaction() as db:
        found = find_command(db, command_id)
        show_progress(db, [found])
        document = CommandDocument.of(found)
        failed = failed_records(db, found.id)
    answer(document, lambda: detail.command(document, failed))


@command.command()
@click.argument("command_id", metavar="ID")
@wait_options
def retry(command_id: str, *, wait: bool, timeout: float | None) -> None:
    """Run a failed command again, or a waiting one now. An order that was already sent is not sent again."""
    from certline.models.validation import BadCommandError
    from certline.producers.requests.commands import retry as run_again

    with context.database().transaction() as db:
        found = find_command(db, command_id)
    try:
        again = run_again(context.database(), found, requested_by=context.person())
    except BadCommandError as refusal:
        raise Fault(str(refusal)) from None
    started([again], wait=wait, timeout=timeout)


command.add_command(approve)
command.add_command(decline)


@command.command()
@click.argument("command_id", metavar="ID")
@click.option(
    "--timeout",
    type=Seconds(),
    metavar="SECONDS",
    help="Wait at most this long, then exit 5. The command goes on.",
)
def wait(command_id: str, timeout: float | None) -> None:
    """Wait until a command ends, and show its progress."""
    with context.database().transaction() as db:
        found = find_command(db, command_id)
    started([found], wait=True, timeout=timeout)


COMMANDS = [
    Column[CommandDocument]("command", lambda row: row.id),
    Column[CommandDocument]("type", lambda row: row.type),
    Column[CommandDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[CommandDocument]("subject", lambda row: row.subject, rank=1),
    Column[CommandDocument]("requested (UTC)", lambda row: minute(row.created_at), rank=2),
    Column[CommandDocument](
        "by", lambda row: str(Identity(row.requested_by, row.claimed)), rank=3, may_be_cut=True
    ),
    Column[CommandDocument]("error", lambda row: row.error, rank=4, may_be_cut=True),
]


@command.command("list")
@status_option(status.value for status in CommandStatus)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([kind.value for kind in CommandType]),
    help="Only commands of this type; repeatable.",
)
@click.option("--subject", metavar="ID", help="Only commands about this order or certificate.")
@view_options("created")
def list_(
    *, statuses: tuple[str, ...], types: tuple[str, ...], subject: str | None, view: ListView
) -> None:
    """List commands, the newest first."""
    from certline.models import Narrowing
    from certline.models.imports.run import show_progress
    from certline.models.listing import commands_listed

    wanted = Narrowing(statuses=statuses, types=types, subject=subject)
    show_pages(
        commands_listed(wanted),
        view,
        find=find_command,
        fill=show_progress,
        document=CommandDocument.of,
        columns=COMMANDS,
        empty="There are no commands yet. Start with: certline sync --wait"
        if wanted == Narrowing()
        else "There is no such command.",
    )
