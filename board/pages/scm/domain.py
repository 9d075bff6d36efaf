"""The page of one domain: its validation, what depends on it, what is being done, and to whom it is delegated."""

from collections.abc import Iterator
from typing import Any

from certline.board.detail.sections import (
    Counting,
    FactList,
    Grid,
    Section,
    shown,
    thing,
)
from certline.board.pages.scm.kept_dependence import (
    attendance_of,
    care_now,
    kept_dependence,
)
from certline.board.pages.scm.scm_row import common_facts, found_row, gone_remark, words_of
from certline.board.pages.scm.validation_sections import validation_sections
from certline.board.web import links
from certline.board.web.cells import Badge, Cell, Code, Link, Moment, Name
from certline.board.web.commands import Suggestion, typed
from certline.board.web.export import Representation, representation
from certline.board.web.filters import LONGEST
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Account, AccountStatus, Domain
from certline.models.accounts.account import accounts_shown
from certline.models.documents.domains.detail import day_or_none, detail_document
from certline.models.domains.detail import DomainDetail, detail_of_entry
from certline.models.overview.attendance import Attendance
from certline.models.overview.estate import MOST_COUNTED, count_below
from certline.producers.domains.dependence import Dependence


def show(asked: PageRequest) -> View:
    """Return the page of one domain. Raises UnknownThingError."""
    row, account = found_row(asked, Domain, "domain")
    found = detail_of_entry(asked.db, row, account)
    for_people = representation(asked.request.query_params) is Representation.HTML
    # What depends on it comes last: while that is counted, each further question would wait for its turn.
    own, below = attendance_of(asked, found), count_below(asked.db, row)
    options = _account_options(asked, account)
    dependence = kept_dependence(asked, found, at_once=for_people)
    care = care_now(own, dependence)
    sections = [
        *gone_remark(row),
        FactList(_facts(found, care, below)),
        *validation_sections(found),
        _dependent(dependence, found),
        _delegations(found),
    ]
    return thing(
        row.name,
        "Domain",
        sections,
        {} if dependence is None else _document(found, care, dependence),
        commands=list(_commands(found, care, options)),
        above=[Link("Domains", links.DOMAINS)],
        synced_at=row.synced_at,
        # Also one that begins in a moment is seen without loading the page again.
        follow=care.validation is not None or care.begins is not None,
    )


def _document(found: DomainDetail, care: Attendance, dependence: Dependence) -> dict[str, Any]:
    """Return what `certline domain show --json` prints."""
    return detail_document(
        found, care, dependence.certificates, dependence.outlook, dependence.ahead
    )


def _facts(found: DomainDetail, care: Attendance, count: int) -> list[tuple[str, Cell]]:
    row, longest, account = found.row, found.longest, found.account
    pattern = f"*{row.name.removeprefix('*.')}"
    listed = links.narrowed(links.CERTIFICATES, search=pattern, account=account.name)
    more = " or more" if count >= MOST_COUNTED else ""
    above = found.rows[0]
    return [
        *common_facts(row, account),
        ("State", Badge("gone" if row.gone_at else row.state)),
        ("Validation", Badge(longest.validation_status)),
        ("Validated by", shown(longest.validation_method)),
        ("Validation ends", Moment(longest.validation_expires, far=True)),
        ("Usable until", _usable_until(found)),
        (
            "Validated with",
            None
            if found.validated_with == found.name
            else Name(found.validated_with, links.domain(above.account_id, above.scm_id)),
        ),
        ("Validated automatically", _automation(found)),
        ("Being done", str(care)),
        ("Delegation", Badge(row.delegation_status)),
        (
            "Active certificates",
            # No name of a certificate is longer than a filter may be.
            Link(f"{count:,}{more}", listed) if len(pattern) <= LONGEST else f"{count:,}",
        ),
    ]


def _usable_until(found: DomainDetail) -> Cell:
    """Return the last day on which the validation can be used, where it is not the one that SCM shows."""
    if day_or_none(found.last_day) is None or found.last_day == found.longest.validation_expires:
        return None
    return Moment(found.last_day, far=True)


def _automation(found: DomainDetail) -> str:
    if not found.automation.enabled:
        return "no: it is off for the account"
    if not found.automation.selected:
        return "no: it is left to a person"
    return f"yes, {found.automation.days} days before its end"


def _dependent(dependence: Dependence | None, found: DomainDetail) -> Section:
    head = "What depends on it"
    if dependence is None:
        return Counting(head)
    ahead, outlook = dependence.ahead, dependence.outlook
    late = 0 if ahead is None else ahead.refused.total()
    is_top = found.validated_with == found.name
    facts: list[tuple[str, Cell]] = [
        ("The validation is that of", None if is_top else Name(found.validated_with)),
        ("Active certificates with names below it", dependence.certificates),
        ("Their next renewals before its end", outlook.renewals - late),
        ("After its end", late),
    ]
    if ahead is not None:
        facts += [
            ("The first after it", Moment(ahead.first, far=True)),
            ("Of", Name(", ".join(ahead.names))),
            ("A validation has to begin by", Moment(ahead.begin_by, far=True)),
        ]
    return FactList(facts, head)


def _delegations(found: DomainDetail) -> Grid:
    row, names = found.row, found.owners
    cells: list[list[Cell]] = []
    for each in row.delegations:
        org_id: Any = each.get("org_id")
        cells.append(
            [
                Code(str(org_id)),
                Name(names[org_id], links.organization(row.account_id, org_id))
                if org_id in names
                else None,
                Badge(words_of([each], "status")),
                Name(words_of([each], "cert_types")),
                Name(words_of([each], "privileges")),
            ]
        )
    return Grid(
        "Delegated to",
        ["Id", "Organisation", "Status", "For", "Allows"],
        cells,
        "SCM shows no delegation; it does not show them to every role.",
    )


def _commands(found: DomainDetail, care: Attendance, account: list[str]) -> Iterator[Suggestion]:
    """Yield what to type next, the most likely first. `account`: the option that names it, if it is needed."""
    domain = found.validated_with
    if care.validation is not None:
        going = typed("command", "wait", care.validation.command_id)
        yield Suggestion("Wait until its validation has ended", going)
    elif found.row.gone_at is None and not found.suspended:
        validate = typed("domain", "validate", domain, *account)
        yield Suggestion(
            "What a validation would do, and by which provider", f"{validate} --dry-run"
        )
        yield Suggestion("Validate it now", f"{validate} --wait")
    if not found.automation.enabled:
        enable = typed("domain", "auto-validate", "enable", "--account", found.account.name)
        yield Suggestion("Validate the domains of its account by itself from now on", enable)
    else:
        purpose = "Leave it to a person" if found.automation.selected else "Validate it by itself"
        off = ["--off"] if found.automation.selected else []
        yield Suggestion(
            purpose, typed("domain", "auto-validate", "select", domain, *account, *off)
        )
    yield Suggestion("Read it from SCM again", typed("sync", "domains", "--wait"))
    yield Suggestion("The same in a terminal", typed("domain", "show", found.row.name, *account))


def _account_options(asked: PageRequest, account: Account) -> list[str]:
    """Return the option that names the account, where there are several."""
    rows = [row for row in accounts_shown(asked.db) if row.status is not AccountStatus.REMOVED]
    return ["--account", account.name] if len(rows) > 1 else []


DOMAIN = Page(f"{links.DOMAINS}/{{account}}/{{scm_id}}", show)
ROUTES = [DOMAIN.route()]
