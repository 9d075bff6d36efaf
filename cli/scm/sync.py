"""`certline sync`: reads organisations, domains and profiles from SCM."""

import click

from certline.cli import context
from certline.cli.errors import Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.output import whisper
from certline.cli.waiting.wait import started, wait_options


@click.command(cls=CliCommand)
@click.argument(
    "resources",
    nargs=-1,
    type=click.Choice(["organizations", "domains", "profiles"]),
    metavar="[organizations|domains|profiles]...",
)
@click.option("--account", metavar="NAME", help="Only this account; default: all accounts.")
@wait_options
def sync(
    resources: tuple[str, ...], account: str | None, *, wait: bool, timeout: float | None
) -> None:
    """Read organisations, domains and profiles (with custom fields) from SCM.

    Without an argument, all three are read.
    """
    from certline.models import AccountStatus
    from certline.models.accounts.account import accounts
    from certline.models.accounts.suspension import suspended_text
    from certline.models.commands.payloads import SyncCommand, read_payload
    from certline.producers.requests.catalogue import request_sync

    data: dict[str, object] = {"account": account}
    if resources:
        data["resources"] = list(dict.fromkeys(resources))
    wanted = read_payload(SyncCommand, data)
    commands = request_sync(context.database(), wanted, requested_by=context.person())
    if account is None:
        with context.database().transaction() as db:
            # request_sync skips suspended accounts silently if no account is named; report them.
            suspended = [row for row in accounts(db) if row.status is AccountStatus.SUSPENDED]
        if not commands:
            raise Fault("; ".join(suspended_text(row) for row in suspended))
        for row in suspended:
            whisper(f"skipped: {suspended_text(row)}")
    started(commands, wait=wait, timeout=timeout)
