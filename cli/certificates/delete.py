"""`certline certificate delete`: deletion of a certificate, with its versions, from certline's database."""

import sys

import rich_click as click

from certline.cli import context
from certline.cli.errors import NOTHING, Fault
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_certificate
from certline.cli.ui.output import whisper
from certline.cli.ui.projection import minute
from certline.cli.waiting.deletion import HERE_ONLY, delete
from certline.cli.waiting.wait import wait_options


@click.command("delete", cls=CliCommand)
@click.argument("name", metavar="CERT")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option(
    "--yes", is_flag=True, help="Delete it even if an order of it is open, without asking."
)
@wait_options
def delete_certificate(
    name: str, *, comments: str | None, yes: bool, wait: bool, timeout: float | None
) -> None:
    """Delete a certificate with its renewals and reissues, and destroy their private keys.

    Only in certline's database: nothing changes at SCM, and the certificate stays valid unless it was
    revoked. Its line becomes free, and the oldest held order goes on. On a terminal it asks first.
    """
    with context.database().transaction() as db:
        found = find_certificate(db, name)
    if not yes and sys.stdin.isatty():
        whisper(
            f"{found.common_name}, serial number {found.serial_number}, valid until "
            f"{minute(found.not_after)} UTC, {found.status}. {HERE_ONLY}"
        )
        if not click.confirm("Delete it with all its versions and private keys?", err=True):
            raise Fault("nothing was deleted", code=NOTHING)
    data = {"certificate": found.id, "comments": comments, "yes": yes}
    delete(data, wait=wait, timeout=timeout)
