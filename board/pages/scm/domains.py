"""Domains with their validation and delegations, as last synced."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from certline.board.pages.estate.places import ORGANIZATION, choices_of
from certline.board.pages.scm.catalogue import (
    ACCOUNT,
    FOR_PERSON,
    NAME,
    NEVER,
    SYNC,
    UNDER_WAY,
    account_choices,
    count_rows,
    reader,
)
from certline.board.web import links
from certline.board.web.cells import TROUBLE, WAITS, Badge, Cell, Code, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import UrlFilter, choice, days, number
from certline.board.web.list_page import ListPage
from certline.models import Domain
from certline.models.accounts.catalogue_list import DOMAIN_STATES
from certline.models.certificates.below import certificates_below
from certline.models.documents.catalogue import DomainDocument, of_validation
from certline.models.domains.under_way import validations_under_way
from certline.models.orders.domain_rules import bare_name


def _going(db: Session, rows: Sequence[Domain]) -> list[dict[str, Any]]:
    """Return the fields about the validation under way that covers each domain."""
    going = validations_under_way(db)
    return [
        of_validation(None if row.gone_at else going.of(row.account_id, row.name)) for row in rows
    ]


def _counted(db: Session, rows: Sequence[Domain]) -> list[dict[str, Any]]:
    """Return the same, with the certificates below each domain, as the command line prints them."""
    keys = [(row.account_id, bare_name(row)) for row in rows]
    below = certificates_below(db, set(keys))
    return [
        {**going, "certificates": below[key]}
        for going, key in zip(_going(db, rows), keys, strict=True)
    ]


def _under_way(row: DomainDocument) -> Cell:
    if row.needs_person:
        return Badge("waits for a person", TROUBLE)
    return None if row.stage is None else Badge(row.stage, WAITS)


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
        TableColumn("Under way", _under_way),
        TableColumn("Delegations", _delegations, minor=True),
        TableColumn("Account", lambda row: Name(row.account), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at), minor=True),
    ],
    read=reader(Domain, DomainDocument, _going),
    export=reader(Domain, DomainDocument, _counted),
    count=lambda db, wanted: count_rows(db, Domain, wanted),
    filters=[
        NAME,
        choice("status", "Validation", DOMAIN_STATES),
        days("expires_within", "Validation ends within days"),
        UrlFilter(
            "under_way",
            "Validation under way",
            choices=((UNDER_WAY, "under way"), (FOR_PERSON, "waits for a person")),
        ),
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
        Suggestion("Those that are being validated", typed("domain", "list", "--under-way")),
        Suggestion("Read the domains from SCM again", typed("sync", "domains", "--wait")),
        SYNC,
    ],
)

ROUTES = [DOMAINS.route()]
