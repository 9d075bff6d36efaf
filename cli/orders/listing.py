"""`certline order list`."""

from typing import Any

import click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand
from certline.cli.ui.grid import Column, style_of
from certline.cli.ui.listing import (
    ListView,
    place_options,
    places,
    show_pages,
    status_option,
    view_options,
    with_account,
)
from certline.cli.ui.lookup import find_order
from certline.models.documents.order import OrderDocument
from certline.models.documents.projection import minute
from certline.models.states import OPEN, OrderStatus

ORDERS = [
    Column[OrderDocument]("order", lambda row: row.id),
    Column[OrderDocument]("status", lambda row: row.status, style=lambda row: style_of(row.status)),
    Column[OrderDocument]("sslId", lambda row: row.scm_id, rank=2),
    Column[OrderDocument]("common name", lambda row: row.common_name, may_be_cut=True),
    Column[OrderDocument]("organization", lambda row: row.organization, rank=4, may_be_cut=True),
    Column[OrderDocument]("profile", lambda row: row.profile, rank=5, may_be_cut=True),
    Column[OrderDocument]("kind", lambda row: row.kind, rank=3),
    Column[OrderDocument]("changed (UTC)", lambda row: minute(row.updated_at), rank=1),
]


@click.command("list", cls=CliCommand)
@status_option(status.value for status in OrderStatus)
@click.option("--open", "still_open", is_flag=True, help="Only orders that have not ended.")
@place_options
@view_options("created", "changed", "name")
def orders(
    *, statuses: tuple[str, ...], still_open: bool, name: str | None, view: ListView, **given: Any
) -> None:
    """List orders, the newest first."""
    from certline.models import Narrowing
    from certline.models.accounts.account import accounts
    from certline.models.listing import orders_listed

    if still_open and statuses:
        raise click.UsageError("--open and --status do not go together")
    states = tuple(status.value for status in OPEN) if still_open else statuses
    with context.database().transaction() as db:
        wanted = Narrowing(statuses=states, name=name, **places(db, **given))
        names = {row.id: row.name for row in accounts(db, removed=True)}
    show_pages(
        orders_listed(wanted),
        view,
        find=find_order,
        document=OrderDocument.of,
        columns=with_account(ORDERS, names),
        empty="There are no orders yet. To place one: certline order create --help"
        if wanted == Narrowing()
        else "There is no such order.",
    )
