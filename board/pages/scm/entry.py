"""Pages of one organisation and of one profile."""

from collections.abc import Sequence

from certline.board.detail.sections import FactList, Grid, Section, shown, thing
from certline.board.pages.scm.catalogue import SYNC, keys_of
from certline.board.pages.scm.scm_row import common_facts, found_row, gone_remark, words_of
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.commands import Suggestion, typed
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Domain, Narrowing, Organization, Profile
from certline.models.documents.catalogue import OrganizationDocument, ProfileDocument
from certline.models.overview.estate import (
    Holding,
    departments_of,
    domains_of,
    holding_of,
    organization_names,
    profiles_for,
)

# Domains of an organisation that are shown; the list has them all.
MOST_DOMAINS = 100
IMPORT = Suggestion("Import what SCM has", typed("import", "--wait"))


def organization(asked: PageRequest) -> View:
    """Return the page of one organisation: its departments, profiles, domains and certificates."""
    row, account = found_row(asked, Organization, "organisation")
    wanted = Narrowing(account_id=row.account_id, organizations=[row.scm_id])
    held = holding_of(asked.db, wanted)
    listed = links.narrowed(links.CERTIFICATES, organization=row.scm_id, account=account.name)
    parent = None if row.parent_id is None else links.organization(row.account_id, row.parent_id)
    facts: list[tuple[str, Cell]] = [
        *common_facts(row, account),
        ("Part of", shown(row.parent_name, parent)),
        ("Orders over the API", Badge("gone" if row.gone_at else row.orders)),
        ("Certificate types", shown(row.cert_types)),
        ("Active certificates", _number(held, listed)),
    ]
    sections = [
        *gone_remark(row),
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


def profile(asked: PageRequest) -> View:
    """Return the page of one profile: what may be ordered with it, and by whom not."""
    row, account = found_row(asked, Profile, "profile")
    held = holding_of(asked.db, Narrowing(account_id=row.account_id, profiles=[row.scm_id]))
    listed = links.narrowed(links.CERTIFICATES, profile=row.scm_id, account=account.name)
    names = organization_names(asked.db, row.account_id, row.closed_to)
    facts: list[tuple[str, Cell]] = [
        *common_facts(row, account),
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
        [*gone_remark(row), FactList(facts), _certificates(held, listed), closed],
        ProfileDocument.of(row, {account.id: account.name}).as_dict(),
        commands=[Suggestion("Order with it", order), SYNC],
        above=[Link("Profiles", links.PROFILES)],
        synced_at=row.synced_at,
    )


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
                Badge(words_of(its, "status")),
                Name(words_of(its, "privileges")),
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


ROUTES = [
    Page(f"{place}/{{account}}/{{scm_id}}", show).route()
    for place, show in (
        (links.ORGANIZATIONS, organization),
        (links.PROFILES, profile),
    )
]
