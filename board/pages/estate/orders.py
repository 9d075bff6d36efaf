"""The list of orders."""

from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import Session

from certline.board.pages.estate import places
from certline.board.pages.estate.row_page import page_of
from certline.board.web import links
from certline.board.web.cells import Badge, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, same_list, typed
from certline.board.web.filters import Wanted, choice, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.models.documents.order import OrderDocument
from certline.models.listing import Narrowing, count, orders_listed
from certline.models.orders.order import Order
from certline.models.search import order_shown, orders_found
from certline.models.states import OrderStatus

SORTS = {"created": "Newest first", "changed": "Last change", "name": "Name"}


def question(db: Session, wanted: Wanted) -> Select[Order]:
    """Return the query for the orders that an address asks for. Raises BadFilterError."""
    narrowed: dict[str, Any] = places.narrowing_of(db, wanted)
    asked = orders_listed(Narrowing(statuses=wanted["status"] or (), **narrowed))
    text = wanted["search"]
    return asked if text is None else asked.where(orders_found(db, text))


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[OrderDocument]:
    """Load a page of orders."""
    found = page_of(db, question(db, wanted), wanted, after, limit=limit, find=order_shown)
    return Rows([OrderDocument.of(row) for row in found], [row.id for row in found])


ORDERS = ListPage[OrderDocument](
    path=links.ORDERS,
    title="Orders",
    columns=[
        TableColumn("Common name", lambda row: Name(row.common_name, links.order(row.id)), "name"),
        TableColumn("Status", lambda row: Badge(row.status)),
        TableColumn("Kind", lambda row: row.kind.value, minor=True),
        TableColumn("Organisation", lambda row: Name(row.organization)),
        TableColumn("Profile", lambda row: Name(row.profile), minor=True),
        TableColumn(
            "sslId", lambda row: None if row.scm_id is None else str(row.scm_id), minor=True
        ),
        TableColumn("By", lambda row: Name(row.requested_by), minor=True),
        TableColumn("Placed", lambda row: Moment(row.created_at), "created"),
        TableColumn("Changed", lambda row: Moment(row.updated_at), "changed", minor=True),
    ],
    read=read,
    count=lambda db, wanted: count(db, question(db, wanted), most=10_000),
    filters=[
        search("search", "Search", hint="name, SAN, sslId, serial number or id; * for any text"),
        choice("status", "Status", [each.value for each in OrderStatus], several=True),
        *places.FILTERS,
    ],
    choices=places.choices_of,
    sorts=SORTS,
    empty=Empty(
        "There are no orders yet.",
        [
            Suggestion("Import what SCM holds already", typed("import", "--wait")),
            Suggestion("Order a certificate", typed("order", "create", "--help")),
        ],
    ),
    commands=lambda wanted: [
        same_list("order", "list", narrowed=wanted.narrowed),
        Suggestion("Place an order", typed("order", "create", "--help")),
    ],
)

ROUTES = [ORDERS.route()]
