"""Pages of one organisation, one domain and one profile."""

from collections.abc import Sequence
from typing import Any

from certline.board.detail.sections import FactList, Grid, Remark, Section, shown, thing
from certline.board.pages.scm.catalogue import SYNC, keys_of
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import LONGEST
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Account, Domain, Narrowing, Organization, Profile
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue_list import Synced
from certline.models.documents.catalogue import (
    DomainDocument,
    OrganizationDocument,
    ProfileDocument,
)
from certline.models.overview.estate import (
    MOST_COUNTED,
    Holding,
    count_below,
    departments_of,
    domains_of,
    holding_of,
    organization_names,
    profiles_for,
)
from certline.models.validation import column_integer

# Domains of an organisation that are shown; the list has them all.
MOST_DOMAINS = 100
IMPORT = Suggestion("Import what SCM has", typed("import", "--wait"))


def organization(asked: PageRequest) -> View:
    """Return the page of one organisation: its departments, profiles, domains and certificates."""
    row, account = _found(asked, Organization, "organisation")
    wanted = Narrowing(account_id=row.account_id, organizations=[row.scm_id])
    held = holding_of(asked.db, wanted)
    listed = links.narrowed(links.CERTIFICATES, organization=row.scm_id, account=account.name)
    parent = None if row.parent_id is None else links.organization(row.account_id, row.parent_id)
    facts: list[tuple[str, Cell]] = [
        *_common(row, account),
        ("Part of", shown(row.parent_name, parent)),
        ("Orders over the API", Badge("gone" if row.gone_at else row.orders)),
        ("Certificate types", shown(row.cert_types)),
        ("Active certificates", _number(held, listed)),
    ]
    sections = [
        *_gone(row),
        FactList(facts),
        *_departments(departments_of(asked.db, row)),
        _certificates(held, listed),
        _domains(row, domains_of(asked.db, row, MOST_DOMAINS)),
        _profiles(profiles_for(asked.db, row)),
    ]
    return thing(
        row.name,
        "Department" if row.parent_id else "Organisation",
        sections,
        OrganizationDocument.of(row, {account.id: account.name}).as_dict(),
        commands=[
            Suggestion("Its orders", typed("order", "list", "--organization", row.scm_id)),
            Suggestion(
                "Renew its certificates automatically",
                typed("auto-renew", "select", "--organization", row.scm_id),
            ),
            SYNC,
        ],
        above=[Link("Organisations", links.ORGANIZATIONS)],
        synced_at=row.synced_at,
    )


def domain(asked: PageRequest) -> View:
    """Return the page of one domain: its validation, and to whom it is delegated."""
    row, account = _found(asked, Domain, "domain")
    count = count_below(asked.db, row)
    pattern = f"*{row.name.removeprefix('*.')}"
    listed = links.narrowed(links.CERTIFICATES, search=pattern, account=account.name)
    ids = [each["org_id"] for each in row.delegations if isinstance(each.get("org_id"), int)]
    names = organization_names(asked.db, row.account_id, ids)
    more = " or more" if count >= MOST_COUNTED else ""
    facts: list[tuple[str, Cell]] = [
        *_common(row, account),
        ("State", Badge("gone" if row.gone_at else row.state)),
        ("Validation", Badge(row.validation_status)),
        ("Validated by", shown(row.validation_method)),
        ("Validation ends", Moment(row.validation_expires, far=True)),
        ("Delegation", Badge(row.delegation_status)),
        (
            "Active certificates",
            # No name of a certificate is longer than a filter may be.
            Link(f"{count:,}{more}", listed) if len(pattern) <= LONGEST else f"{count:,}",
        ),
    ]
    return thing(
        row.name,
        "Domain",
        [*_gone(row), FactList(facts), _delegations(row, names)],
        DomainDocument.of(row, {account.id: account.name}).as_dict(),
        commands=[
            Suggestion(
                "Read it again, once it is validated at SCM", typed("sync", "domains", "--wait")
            ),
            Suggestion("Its entry in the list", typed("domain", "list", "--name", row.name)),
        ],
        above=[Link("Domains", links.DOMAINS)],
        synced_at=row.synced_at,
    )


def profile(asked: PageRequest) -> View:
    """Return the page of one profile: what may be ordered with it, and by whom not."""
    row, account = _found(asked, Profile, "profile")
    held = holding_of(asked.db, Narrowing(account_id=row.account_id, profiles=[row.scm_id]))
    listed = links.narrowed(links.CERTIFICATES, profile=row.scm_id, account=account.name)
    names = organization_names(asked.db, row.account_id, row.closed_to)
    facts: list[tuple[str, Cell]] = [
        *_common(row, account),
        ("Status", Badge(row.status)),
        ("Description", shown(row.description)),
        ("Terms (days)", shown(row.terms)),
        ("Keys", shown(keys_of(row.key_types))),
        ("Active certificates", _number(held, listed)),
    ]
    closed = Grid(
        "Not for",
        ["Id", "Organisation"],
        [
            [Code(str(own_id)), Name(names.get(own_id), links.organization(row.account_id, own_id))]
            for own_id in row.closed_to
        ],
        "Every organisation of the account may order it.",
    )
    options = ["--account", account.name, "--profile", row.scm_id, "--organization", "ID"]
    order = typed("order", "create", *options, "--common-name", "NAME", "--term", "DAYS")
    return thing(
        row.name,
        "Profile",
        [*_gone(row), FactList(facts), _certificates(held, listed), closed],
        ProfileDocument.of(row, {account.id: account.name}).as_dict(),
        commands=[Suggestion("Order with it", order), SYNC],
        above=[Link("Profiles", links.PROFILES)],
        synced_at=row.synced_at,
    )


def _found(asked: PageRequest, table: type[Synced], noun: str) -> tuple[Synced, Account]:
    given = [str(asked.given(name)) for name in ("account", "scm_id")]
    key = [column_integer(text) if text.isascii() and text.isdecimal() else None for text in given]
    row = None if None in key else asked.db.get(table, tuple(key))
    if row is None:
        command = typed(table.__tablename__, "list")
        raise UnknownThingError(f"There is no {noun} with this address.", command)
    account = next(each for each in accounts_shown(asked.db) if each.id == row.account_id)
    return row, account


def _common(row: Organization | Domain | Profile, account: Account) -> list[tuple[str, Cell]]:
    return [
        ("Id at SCM", Code(str(row.scm_id))),
        ("Account", Name(account.name, links.account(account.name))),
        ("Gone at SCM since", Moment(row.gone_at)),
    ]


def _gone(row: Organization | Domain | Profile) -> list[Section]:
    if row.gone_at is None:
        return []
    text = "SCM does not list it any more: nothing can be ordered with it."
    return [Remark(text, urgent=True)]


def _number(held: Holding, listed: str) -> Link:
    return Link(f"{held.count:,}{'' if held.whole else ' or more'}", listed)


def _departments(rows: Sequence[Organization]) -> list[Section]:
    cells: list[list[Cell]] = [
        [
            Code(str(row.scm_id)),
            Name(row.name, links.organization(row.account_id, row.scm_id)),
            Badge("gone" if row.gone_at else row.orders),
        ]
        for row in rows
    ]
    return [Grid("Departments", ["Id", "Department", "Orders"], cells, "")] if rows else []


def _certificates(held: Holding, listed: str) -> Grid:
    rows: list[list[Cell]] = [
        [
            Name(row.common_name, links.certificate(row.id)),
            Moment(row.not_after, far=True),
            "yes" if row.auto_renew else "no",
            Moment(row.renews_at),
        ]
        for row in held.first
    ]
    return Grid(
        "Certificates that end first",
        ["Common name", "Ends", "Renewed automatically", "Renews"],
        rows,
        "There are no active certificates.",
        more_url=listed if held.count > len(held.first) else None,
        begin=[IMPORT],
    )


def _domains(organization: Organization, rows: Sequence[Domain]) -> Grid:
    cells: list[list[Cell]] = []
    for row in rows:
        its = [each for each in row.delegations if each.get("org_id") == organization.scm_id]
        cells.append(
            [
                Name(row.name, links.domain(row.account_id, row.scm_id)),
                Badge(row.validation_status),
                Moment(row.validation_expires, far=True),
                Badge(_words(its, "status")),
                Name(_words(its, "privileges")),
            ]
        )
    listed = links.narrowed(links.DOMAINS, organization=organization.scm_id)
    return Grid(
        "Domains delegated to it",
        ["Domain", "Validation", "Ends", "Delegation", "Allows"],
        cells,
        "SCM shows no domain that is delegated to it.",
        more_url=listed if len(rows) >= MOST_DOMAINS else None,
        begin=[SYNC],
    )


def _profiles(rows: Sequence[Profile]) -> Grid:
    cells: list[list[Cell]] = [
        [
            Code(str(row.scm_id)),
            Name(row.name, links.profile(row.account_id, row.scm_id)),
            shown(row.terms),
            Name(keys_of(row.key_types)),
        ]
        for row in rows
    ]
    return Grid(
        "Profiles that it may order",
        ["Id", "Profile", "Terms (days)", "Keys"],
        cells,
        "There is no profile that it may order.",
        begin=[SYNC],
    )


def _delegations(row: Domain, names: dict[int, str]) -> Grid:
    cells: list[list[Cell]] = []
    for each in row.delegations:
        org_id: Any = each.get("org_id")
        cells.append(
            [
                Code(str(org_id)),
                Name(names[org_id], links.organization(row.account_id, org_id))
                if org_id in names
                else None,
                Badge(_words([each], "status")),
                Name(_words([each], "cert_types")),
                Name(_words([each], "privileges")),
            ]
        )
    return Grid(
        "Delegated to",
        ["Id", "Organisation", "Status", "For", "Allows"],
        cells,
        "SCM shows no delegation; it does not show them to every role.",
    )


def _words(delegations: Sequence[dict[str, Any]], key: str) -> str | None:
    """Return the words that delegations have under a key, which may be a text or a list."""
    found: list[str] = []
    for each in delegations:
        value = each.get(key)
        found += (
            map(str, value) if isinstance(value, list) else [] if value is None else [str(value)]
        )
    return ", ".join(dict.fromkeys(found)) or None


ROUTES = [
    Page(f"{place}/{{account}}/{{scm_id}}", show).route()
    for place, show in (
        (links.ORGANIZATIONS, organization),
        (links.DOMAINS, domain),
        (links.PROFILES, profile),
    )
]
