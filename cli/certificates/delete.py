"""`certline certificate delete`: deletion of a certificate, with its versions, from certline's database."""

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_certificate
from certline.cli.waiting.deletion import HERE_ONLY, delete
from certline.cli.waiting.wait import wait_options
from certline.models.documents.projection import minute


@click.command("delete", cls=CliCommand)
@click.argument("name", metavar="CERT")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option("--force", is_flag=True, help="Delete it even if an order of it is open.")
@click.option("--yes", is_flag=True, help="Delete it without asking; required without a terminal.")
@wait_options
def delete_certificate(
    name: str,
    *,
    comments: str | None,
    force: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Delete a certificate with its renewals and reissues, and destroy their private keys.

    Only in certline's database: nothing changes at SCM, and the certificate stays valid unless it was
    revoked. Its line becomes free, and the oldest held order goes on. Asks first.
    """
    with context.database().transaction() as db:
        found = find_certificate(db, name)
    confirm(
        f"{found.common_name}, serial number {found.serial_number}, valid until "
        f"{minute(found.not_after)} UTC, {found.status}. {HERE_ONLY.removesuffix('.')}",
        "Delete it with all its versions and private keys?",
        yes=yes,
        declined="nothing was deleted",
    )
    data = {"certificate": found.id, "comments": comments, "yes": force}
    delete(data, wait=wait, timeout=timeout)
