"""`certline command`: what was requested of certline, and the outcome."""

import rich_click as click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.orders import listing
from certline.cli.ui import detail
from certline.cli.ui.documents import command_document
from certline.cli.ui.grammar import Group
from certline.cli.ui.lookup import find_command
from certline.cli.ui.output import answer
from certline.cli.waiting.wait import started, wait_options
from certline.models.imports.record import failed_records
from certline.models.imports.run import show_progress
from certline.models.validation import BadCommandError
from certline.producers.requests import orders


@click.group(cls=Group)
def command() -> None:
    """Commands: what was requested of certline, and the outcome."""


@command.command()
@click.argument("command_id", metavar="ID")
def show(command_id: str) -> None:
    """Show one command with its result or its error."""
    with context.database().transaction() as db:
        found = find_command(db, command_id)
        show_progress(db, [found])
        failed = failed_records(db, found.id)
    answer(command_document(found), lambda: detail.command(found, failed))


@command.command()
@click.argument("command_id", metavar="ID")
@wait_options
def retry(command_id: str, *, wait: bool, timeout: float | None) -> None:
    """Run a failed command again, or a waiting one now. An order that was already sent is not sent again."""
    with context.database().transaction() as db:
        found = find_command(db, command_id)
    try:
        again = orders.retry(context.database(), found, requested_by=context.person())
    except BadCommandError as refusal:
        raise Fault(str(refusal)) from None
    started([again], wait=wait, timeout=timeout)


@command.command()
@click.argument("command_id", metavar="ID")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait at most this long, then exit 5. The command goes on.",
)
def wait(command_id: str, timeout: float | None) -> None:
    """Wait until a command ends, and show its progress."""
    with context.database().transaction() as db:
        found = find_command(db, command_id)
    started([found], wait=True, timeout=timeout)


command.add_command(listing.commands)
