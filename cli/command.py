"""`certline command`: what was requested of certline, and the outcome."""

import rich_click as click

from cli import line, lists, showing
from cli.documents import command_document
from cli.errors import Fault
from cli.finding import find_command
from cli.grammar import Group
from cli.output import answer
from cli.waiting import started, wait_options
from models.import_record import failed_records
from models.payloads import BadCommandError
from producers import requests


@click.group(cls=Group)
def command() -> None:
    """Commands: what was requested of certline, and the outcome."""


@command.command()
@click.argument("command_id", metavar="ID")
def show(command_id: str) -> None:
    """Show one command with its result or its error."""
    with line.database().transaction() as db:
        found = find_command(db, command_id)
        failed = failed_records(db, found.id)
    answer(command_document(found), lambda: showing.command(found, failed))


@command.command()
@click.argument("command_id", metavar="ID")
@wait_options
def retry(command_id: str, *, wait: bool, timeout: float | None) -> None:
    """Run a failed command again, or a waiting one now. An order that was already sent is not sent again."""
    with line.database().transaction() as db:
        found = find_command(db, command_id)
    try:
        again = requests.retry(line.database(), found, requested_by=line.person())
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
    with line.database().transaction() as db:
        found = find_command(db, command_id)
    started([found], wait=True, timeout=timeout)


command.add_command(lists.commands)
