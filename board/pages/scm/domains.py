"""Domains with their validation and delegations, as last synced."""

from certline.board.pages.estate.places import ORGANIZATION, choices_of
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
from certline.board.web.cells import Badge, Cell, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import choice, days, number
from certline.board.web.list_page import ListPage
from certline.models import Domain
from certline.models.accounts.catalogue_list import DOMAIN_STATES
from certline.models.documents.catalogue import DomainDocument


def _delegations(row: DomainDocument) -> Cell:
    count = len(row.delegations)
    word = row.delegation_status
    if not count:
        return Badge(word) if word else "not shown by SCM"
    return f"{count}{f', {word.lower()}' if word else ''}"


DOMAINS = ListPage[DomainDocument](
    path=links.DOMAINS,
    title="Domains",
    columns=[
        TableColumn("Id", lambda row: Code(str(row.id)), sort="id", minor=True),
        TableColumn(
            "Domain",
            lambda row: Name(row.name, links.domain(row.account_id, row.id)),
            sort="name",
        ),
        TableColumn("State", lambda row: Badge("gone" if row.gone_at else row.state), minor=True),
        TableColumn("Validation", lambda row: Badge(row.validation_status)),
        TableColumn("Ends", lambda row: Moment(row.validation_expires, far=True), sort="expires"),
        TableColumn("Delegations", _delegations, minor=True),
        TableColumn("Account", lambda row: Name(row.account), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at), minor=True),
    ],
    read=reader(Domain, DomainDocument),
    count=lambda db, wanted: count_rows(db, Domain, wanted),
    filters=[
        NAME,
        choice("status", "Validation", DOMAIN_STATES),
        days("expires_within", "Validation ends within days"),
        number("organization", "Delegated to"),
        ACCOUNT,
    ],
    sorts={"name": "Name", "expires": "End of the validation", "id": "SCM's id"},
    choices=lambda db: {
        **account_choices(db),
        ORGANIZATION.name: choices_of(db)[ORGANIZATION.name],
    },
    empty=NEVER,
    commands=lambda _wanted: [
        Suggestion("The same list", typed("domain", "list")),
        Suggestion("Read the domains from SCM again", typed("sync", "domains", "--wait")),
        SYNC,
    ],
)

ROUTES = [DOMAINS.route()]
