"""`certline order delete`: deletion of an order from certline's database."""

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_order
from certline.cli.waiting.deletion import HERE_ONLY, delete
from certline.cli.waiting.wait import wait_options


@click.command("delete", cls=CliCommand)
@click.argument("order_name", metavar="ORDER")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option("--force", is_flag=True, help="Delete it even if it is still open.")
@click.option("--yes", is_flag=True, help="Delete it without asking; required without a terminal.")
@wait_options
def delete_order(
    order_name: str,
    *,
    comments: str | None,
    force: bool,
    yes: bool,
    wait: bool,
    timeout: float | None,
) -> None:
    """Delete an order that brought no certificate, and destroy its private key.

    Only in certline's database: nothing changes at SCM. To withdraw it there: certline order cancel. Asks
    first.
    """
    with context.database().transaction() as db:
        found = find_order(db, order_name)
    confirm(
        f"order {found.id} for {found.common_name}, {found.status}. {HERE_ONLY.removesuffix('.')}",
        "Delete it with its private key?",
        yes=yes,
        declined="nothing was deleted",
    )
    data = {"order": found.id, "comments": comments, "yes": force}
    delete(data, wait=wait, timeout=timeout)
