"""Accounts: what SCM grants their logins, and what keeps calls from SCM."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy.orm import Session

from certline.board.detail.sections import FactList, Grid, Remark, Section, shown, thing
from certline.board.web import links
from certline.board.web.cells import GOOD, QUIET, TROUBLE, WAITS, Badge, Cell, Link, Moment, Name
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion, typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.filters import Wanted, choice
from certline.board.web.list_page import Empty, ListPage, Rows
from certline.board.web.page import Page, View
from certline.board.web.page_request import PageRequest
from certline.models import Account, AccountStatus
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.suspension import suspended_text
from certline.models.documents.account import AccountDocument
from certline.models.documents.projection import minute
from certline.models.overview.estate import ScmPause, scm_pause_of

ADD = Suggestion("Add an account", typed("account", "add", "--help"))
# What the privileges that certline needs are for.
NEEDED = {
    "sslRequest": "to order",
    "sslRenew": "to renew",
    "sslReplace": "to reissue",
    "sslRevoke": "to revoke",
    "autoApproveCertificates": "orders need no approval at SCM",
    "allowSslAutoApprove": "orders need no approval at SCM",
}
TONES = {"made": GOOD, "none": QUIET, "one try": WAITS, "throttled": WAITS, "paused": TROUBLE}


def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[AccountDocument]:
    """Load all accounts; of removed ones none, unless they are asked for."""
    statuses = [wanted["status"]] if wanted["status"] else ["active", "suspended"]
    found = [row for row in accounts_shown(db) if row.status.value in statuses]
    found = [row for row in found if after is None or row.name > after][:limit]
    return Rows([AccountDocument.of(row) for row in found], [row.name for row in found])


def account(asked: PageRequest) -> View:
    """Return the page of one account."""
    name = asked.given("name")
    row = next((each for each in accounts_shown(asked.db) if each.name == name), None)
    if row is None:
        raise UnknownThingError("There is no such account.", typed("account", "list", "--all"))
    pause = scm_pause_of(asked.db, row)
    calls = calls_of(row, pause, asked.now)
    facts: list[tuple[str, Cell]] = [
        ("Status", Badge(row.status.value)),
        ("Reason", shown(row.status_reason)),
        ("SCM", shown(row.url)),
        ("Customer URI", shown(row.customer_uri)),
        ("Logs in by", row.login_kind.value),
        ("Login", shown(row.login)),
        ("Login verified", Moment(row.verified_at, far=True)),
        ("Added", Moment(row.created_at)),
    ]
    limits: list[tuple[str, Cell]] = [
        ("Calls are", Badge(calls, TONES[calls])),
        ("Failures in a row", pause.failures),
        ("Breaker open until", Moment(pause.open_until, far=True)),
        ("Why", shown(pause.reason if pause.failures else None)),
        ("SCM wants a pause until", Moment(pause.held_until, far=True)),
        (
            "Calls a second, at most",
            "set for the workers by CERTLINE_RATE_READ and CERTLINE_RATE_ORDER",
        ),
    ]
    sections = [
        *_notices(row, pause, asked.now),
        FactList(facts),
        FactList(limits, "Calls to SCM"),
        *_granted(row),
        FactList(_listed(row), "What it has"),
    ]
    return thing(
        row.name,
        "Account",
        sections,
        AccountDocument.of(row).as_dict(),
        commands=_commands(row),
        above=[Link("Accounts", links.ACCOUNTS)],
        synced_at=row.synced_at,
    )


def calls_of(row: Account, pause: ScmPause, now: datetime) -> str:
    """Return in a word or two whether calls are made."""
    if row.status is not AccountStatus.ACTIVE:
        return "none"
    if pause.open_until is not None:
        return "paused" if pause.open_until > now else "one try"
    return "throttled" if pause.held_until is not None else "made"


def _notices(row: Account, pause: ScmPause, now: datetime) -> Iterator[Section]:
    if row.status is not AccountStatus.ACTIVE:
        yield Remark(suspended_text(row), urgent=True)
    if pause.open_until is not None:
        until = f"until {minute(pause.open_until)} UTC"
        when = until if pause.open_until > now else "until the next try, which is due"
        text = f"SCM fails ({pause.reason}): no calls are made {when}. Nothing is lost meanwhile."
        yield Remark(text, urgent=True)
    if pause.held_until is not None:
        yield Remark(f"SCM has asked for a pause until {minute(pause.held_until)} UTC.")


def _granted(row: Account) -> list[Section]:
    """Return what SCM grants the login, as the last check of it has found."""
    found = row.examined
    if found is None:
        text = "What SCM grants this login is not known yet: verifying the login finds it out."
        return [Remark(text)]
    privileges = found.get("privileges")
    silent = "SCM does not show them"
    missing: list[list[Cell]] = [[shown(sentence)] for sentence in found.get("missing", [])]
    unknown: list[list[Cell]] = [[shown(sentence)] for sentence in found.get("unknown", [])]
    granted = FactList(
        [
            ("Roles", shown(found.get("roles") or silent)),
            ("Privileges", shown(silent if privileges is None else _named(privileges))),
            ("Found out", Moment(row.verified_at, far=True)),
        ],
        "What SCM grants",
    )
    lacks = Grid("What it lacks at SCM", ["Missing"], missing, "Nothing, as far as SCM shows it.")
    hidden = [Grid("What SCM does not reveal", ["Unknown"], unknown, "")] if unknown else []
    return [granted, lacks, *hidden]


def _named(privileges: list[str]) -> list[str]:
    """Return the privileges: those that certline needs first, with what they are for."""
    needed = [f"{name} ({NEEDED[name]})" for name in privileges if name in NEEDED]
    return needed + sorted(name for name in privileges if name not in NEEDED)


def _listed(row: Account) -> list[tuple[str, Cell]]:
    places = {
        "Orders": links.ORDERS,
        "Certificates": links.CERTIFICATES,
        "Organisations": links.ORGANIZATIONS,
        "Domains": links.DOMAINS,
        "Profiles": links.PROFILES,
    }
    return [
        (noun, Link(f"{noun} of this account", links.narrowed(place, account=row.name)))
        for noun, place in places.items()
    ]


def _commands(row: Account) -> list[Suggestion]:
    if row.status is AccountStatus.REMOVED:
        return [ADD._replace(purpose="Use it again")]
    verify = typed("account", "verify", row.name)
    return [
        Suggestion("Try the login at SCM, and find out what it lacks", verify),
        Suggestion("Change its password", f"{verify} --new-password"),
        Suggestion(
            "Read its organisations, domains and profiles again",
            typed("sync", "--account", row.name, "--wait"),
        ),
    ]


ACCOUNTS = ListPage[AccountDocument](
    path=links.ACCOUNTS,
    title="Accounts",
    columns=[
        TableColumn("Account", lambda row: Name(row.name, links.account(row.name))),
        TableColumn("Status", lambda row: Badge(row.status.value)),
        TableColumn("Reason", lambda row: Name(row.status_reason), minor=True),
        TableColumn("Login", lambda row: Name(row.login), minor=True),
        TableColumn("SCM", lambda row: Name(row.url), minor=True),
        TableColumn("Verified", lambda row: Moment(row.verified_at), minor=True),
        TableColumn("Synced", lambda row: Moment(row.synced_at, far=True)),
    ],
    read=read,
    filters=[choice("status", "Status", [status.value for status in AccountStatus])],
    empty=Empty("There is no account yet.", [ADD]),
    commands=lambda _wanted: [Suggestion("The same list", typed("account", "list")), ADD],
)

ROUTES = [ACCOUNTS.route(), Page(f"{links.ACCOUNTS}/{{name:path}}", account).route()]
