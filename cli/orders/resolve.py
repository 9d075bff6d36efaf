"""`certline order resolve`: an operator's decision about an order in review."""

import click

from certline.cli import context
from certline.cli.confirmation import confirm
from certline.cli.errors import WAITS
from certline.cli.parameters.number import Whole
from certline.cli.ui import detail
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.lookup import find_order
from certline.cli.ui.output import answer, leave, say
from certline.models.documents.order import OrderDocument
from certline.models.states import OrderStatus


@click.command(cls=CliCommand)
@click.argument("order_name", metavar="ORDER")
@click.option(
    "--adopt",
    type=Whole(1),
    metavar="SSLID",
    help="This record at SCM is the order: poll it and fetch its certificate.",
)
@click.option("--resend", is_flag=True, help="SCM does not have it: send it again.")
@click.option(
    "--reject", is_flag=True, help="Give the order up. Anything that SCM may hold stays there."
)
@click.option("--comments", metavar="TEXT", help="The reason, for the audit log.")
@click.option(
    "--yes",
    is_flag=True,
    help="Send it again without asking, even if SCM may hold it; then required without a terminal.",
)
def resolve(
    order_name: str,
    *,
    adopt: int | None,
    resend: bool,
    reject: bool,
    comments: str | None,
    yes: bool,
) -> None:
    """Decide about an order in review.

    Without an option, show the order beside the records that SCM has, and exit 3.
    """
    from certline.producers.requests import order_review

    chosen = [adopt is not None, resend, reject].count(True)
    if chosen > 1:
        raise click.UsageError("choose one of --adopt, --resend and --reject")
    with context.database().transaction() as db:
        found = find_order(db, order_name)
    if not chosen and found.status is OrderStatus.REVIEW:
        document = OrderDocument.of(found).as_dict() | {"found": found.found}
        answer(document, lambda: detail.side_by_side(found))
        leave(WAITS)
    if resend:
        _make_sure(order_review.may_be_at_scm(found), yes=yes)
    database, who = context.database(), context.person()
    if resend:
        decided = order_review.send_again(database, found.id, who=who, why=comments)
    elif adopt is not None:
        decided = order_review.adopt(database, found.id, adopt, who=who, why=comments)
    else:  # --reject; or no option, and an order not in review, which this call refuses
        decided = order_review.reject(database, found.id, who=who, why=comments)
    answer(
        OrderDocument.of(decided),
        lambda: say(f"order {decided.id} for {decided.common_name} is {decided.status}"),
    )


def _make_sure(at_scm: list[int], *, yes: bool) -> None:
    """Ask before a second order at SCM is risked; without a terminal require --yes."""
    if at_scm:
        ids = ", ".join(map(str, at_scm))
        confirm(
            f"SCM may hold it as {ids}; sending it again may make a second order",
            "Send it again?",
            yes=yes,
            declined="nothing was sent",
        )
