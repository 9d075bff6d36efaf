"""`certline order resolve`: a person decides what no rule can."""

import sys

import rich_click as click

from certline.cli import context
from certline.cli.errors import WAITS
from certline.cli.ui import detail
from certline.cli.ui.documents import order_document
from certline.cli.ui.grammar import Command
from certline.cli.ui.lookup import find_order
from certline.cli.ui.output import answer, leave, say
from certline.models import OrderStatus
from certline.producers.requests import order_review


@click.command(cls=Command)
@click.argument("order_name", metavar="ORDER")
@click.option(
    "--adopt",
    type=click.IntRange(min=1),
    metavar="SSLID",
    help="This record of SCM's is the order: ask for it and fetch it.",
)
@click.option("--resend", is_flag=True, help="SCM has not got it: send it once more.")
@click.option("--reject", is_flag=True, help="Give it up. What SCM may hold stays there.")
@click.option("--comments", metavar="TEXT", help="Why; kept in the log.")
@click.option("--yes", is_flag=True, help="Don't ask before a second order.")
def resolve(
    order_name: str,
    *,
    adopt: int | None,
    resend: bool,
    reject: bool,
    comments: str | None,
    yes: bool,
) -> None:
    """Decide an order in review. Without an option: what was asked, beside what SCM shows; exit 3."""
    chosen = [adopt is not None, resend, reject].count(True)
    if chosen > 1:
        raise click.UsageError("choose one of --adopt, --resend and --reject")
    with context.database().transaction() as db:
        found = find_order(db, order_name)
    if not chosen and found.status is OrderStatus.REVIEW:
        document = order_document(found) | {"found": found.found}
        answer(document, lambda: detail.side_by_side(found))
        leave(WAITS)
    if resend:
        _make_sure(order_review.may_be_at_scm(found), yes=yes)
    database, who = context.database(), context.person()
    if resend:
        decided = order_review.send_again(database, found.id, who=who, why=comments)
    elif adopt is not None:
        decided = order_review.adopt(database, found.id, adopt, who=who, why=comments)
    else:  # an order that isn't in review is refused, whatever was chosen
        decided = order_review.reject(database, found.id, who=who, why=comments)
    answer(
        order_document(decided),
        lambda: say(f"order {decided.id} for {decided.common_name} is {decided.status}"),
    )


def _make_sure(at_scm: list[int], *, yes: bool) -> None:
    if not at_scm or yes:
        return
    ids = ", ".join(map(str, at_scm))
    warning = f"SCM may hold it as {ids}; sending it again may make a second order."
    if not sys.stdin.isatty():
        raise click.UsageError(f"{warning} Say --yes to do it all the same.")
    click.confirm(f"{warning} Go on?", abort=True, err=True)
