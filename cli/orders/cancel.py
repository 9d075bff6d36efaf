"""`certline order cancel`: withdrawal of an order at SCM."""

import click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_order
from certline.cli.waiting.wait import started, wait_options


@click.command(cls=CliCommand)
@click.argument("order_name", metavar="ORDER")
@click.option(
    "--comments", required=True, metavar="TEXT", help="The reason, for SCM; at most 512 characters."
)
@wait_options
def cancel(order_name: str, *, comments: str, wait: bool, timeout: float | None) -> None:
    """Cancel an order that SCM has not issued, or one that is held.

    An order that was not sent is not sent any more. For any other, SCM is asked to decline the request; if
    SCM refuses, the certificate is never fetched, and the order goes to review if SCM issues it all the
    same. A held order is given up; its certificate stays valid at SCM until it is revoked.
    """
    from certline.models.commands.payloads import CancelCommand, read_payload
    from certline.producers.requests import certificates

    with context.database().transaction() as db:
        found = find_order(db, order_name)
    wanted = read_payload(CancelCommand, {"order": found.id, "comments": comments})
    accepted = certificates.request_cancelling(
        context.database(), wanted, requested_by=context.person()
    )
    started([accepted.command], wait=wait, timeout=timeout)
