"""`certline order delete`: deletion of an order from certline's database."""

import rich_click as click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_order
from certline.cli.waiting.deletion import delete
from certline.cli.waiting.wait import wait_options


@click.command("delete", cls=CliCommand)
@click.argument("order_name", metavar="ORDER")
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option("--yes", is_flag=True, help="Delete it even if it is still open, without asking.")
@wait_options
def delete_order(
    order_name: str, *, comments: str | None, yes: bool, wait: bool, timeout: float | None
) -> None:
    """Delete an order that brought no certificate, and destroy its private key.

    Only in certline's database: nothing changes at SCM. To withdraw it there: certline order cancel.
    """
    with context.database().transaction() as db:
        found = find_order(db, order_name)
    data = {"order": found.id, "comments": comments, "yes": yes}
    delete(data, wait=wait, timeout=timeout)
