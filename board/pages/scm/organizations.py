"""Organisations and departments, as last synced."""

from certline.board.pages.scm.catalogue import (
    ACCOUNT,
    NAME,
    NEVER,
    SYNC,
    account_choices,
    count_rows,
    reader,
)
from certline.board.web import links
from certline.board.web.cells import Badge, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import choice
from certline.board.web.list_page import ListPage
from certline.models import Organization
from certline.models.accounts.catalogue_list import ORGANIZATION_STATES
from certline.models.documents.catalogue import OrganizationDocument


def _state(row: OrganizationDocument) -> str | None:
    return row.orders if row.gone_at is None else "gone"


ORGANIZATIONS = ListPage[OrganizationDocument](
    path=links.ORGANIZATIONS,
    title="Organisations",
    columns=[
        TableColumn("Id", lambda row: Code(str(row.id)), sort="id"),
        TableColumn(
            "Organisation",
            lambda row: Name(row.name, links.organization(row.account_id, row.id)),
            sort="name",
        ),
        TableColumn("Part of", lambda row: Name(row.parent_name), minor=True),
        TableColumn("Orders", lambda row: Badge(_state(row))),
        TableColumn("Account", lambda row: Name(row.account), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at), minor=True),
    ],
    read=reader(Organization, OrganizationDocument),
    count=lambda db, wanted: count_rows(db, Organization, wanted),
    filters=[NAME, choice("status", "Orders over the API", ORGANIZATION_STATES), ACCOUNT],
    sorts={"organization": "Organisation", "name": "Name", "id": "SCM's id"},
    choices=account_choices,
    empty=NEVER,
    commands=lambda _wanted: [Suggestion("The same list", typed("organization", "list")), SYNC],
)

ROUTES = [ORGANIZATIONS.route()]
