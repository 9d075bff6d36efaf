"""Organisations and departments, as last synced."""

from sqlalchemy.orm import Session

from certline.board.web import links
from certline.board.web.cells import Badge, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import Wanted, choice, search
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue import Organization
from certline.models.accounts.catalogue_list import (
    ORGANIZATION_STATES,
    CatalogueFilter,
    catalogue_page,
    count_catalogue,
)
from certline.models.documents.catalogue import OrganizationDocument

SORTS = {"organization": "Organisation", "name": "Name", "id": "SCM's id"}


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[OrganizationDocument]:
    """Load a page of organisations."""
    names = {row.id: row.name for row in accounts_shown(db)}
    found = catalogue_page(
        db,
        Organization,
        filter_of(wanted),
        sort=wanted.sort,
        descending=wanted.reverse,
        after=_key(after),
        limit=limit,
    )
    return Rows(
        [OrganizationDocument.of(row, names) for row in found],
        [f"{row.account_id}.{row.scm_id}" for row in found],
    )


def filter_of(wanted: Wanted) -> CatalogueFilter:
    """Return the filter that an address asks for."""
    return CatalogueFilter(name=wanted["name"], status=wanted["status"])


def _key(after: str | None) -> tuple[int, int] | None:
    account, _, scm_id = (after or "").partition(".")
    if not (account.isdecimal() and scm_id.isdecimal()):
        return None
    return int(account), int(scm_id)


def _state(row: OrganizationDocument) -> str | None:
    return row.orders if row.gone_at is None else "gone"


ORGANIZATIONS = ListPage[OrganizationDocument](
    path=links.ORGANIZATIONS,
    title="Organisations",
    columns=[
        TableColumn("Id", lambda row: str(row.id), sort="id"),
        TableColumn("Organisation", lambda row: Name(row.name), sort="name"),
        TableColumn("Part of", lambda row: Name(row.parent_name), minor=True),
        TableColumn("Orders", lambda row: Badge(_state(row))),
        TableColumn("Account", lambda row: Name(row.account), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at), minor=True),
    ],
    read=read,
    count=lambda db, wanted: count_catalogue(db, Organization, filter_of(wanted)),
    filters=[
        search("name", "Name", hint="* stands for any characters"),
        choice("status", "Orders over the API", ORGANIZATION_STATES),
    ],
    sorts=SORTS,
    empty=Empty(
        "Nothing has been read from SCM yet.",
        [Suggestion("Read organisations, domains and profiles", typed("sync", "--wait"))],
    ),
    commands=lambda _wanted: [
        Suggestion("The same list", typed("organization", "list")),
        Suggestion("Read it from SCM again", typed("sync", "--wait")),
    ],
)

ROUTES = [ORGANIZATIONS.route()]
