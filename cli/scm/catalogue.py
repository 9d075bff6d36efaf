"""`certline organization`, `domain` and `profile`: what SCM offers, as last synced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import click

from certline.cli import context
from certline.cli.ui.grammar import CliCommand, Group
from certline.cli.ui.grid import Column, style_of, style_of_end
from certline.cli.ui.listing import ListView, days, places, show_rows, view_options
from certline.cli.ui.lookup import find_account
from certline.models.documents.catalogue import (
    DomainDocument,
    OrganizationDocument,
    ProfileDocument,
    of_validation,
)
from certline.models.documents.projection import minute, minute_and_distance
from certline.models.host_names import same_host
from certline.models.names import folded

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from certline.models import Domain, Organization, Profile
    from certline.models.accounts import catalogue

Row = TypeVar("Row", bound="catalogue.SyncedRow")

NEVER = "Nothing has been read from SCM yet. To read it: certline sync --wait"
NONE = "There is no such {}."
# Sorts after every other date: a validation without an end.
NEVER_ENDS = date.max

account_option = click.option("--account", metavar="NAME", help="Only of this account.")
name_option = click.option(
    "--name", metavar="PATTERN", help="Only names that match; * stands for any characters."
)


@click.group(cls=Group)
def organization() -> None:
    """Organisations and departments, as last synced."""


def _orders(row: Organization | OrganizationDocument) -> str | None:
    return row.orders if row.gone_at is None else "gone"


ORGANIZATIONS = [
    Column[OrganizationDocument]("id", lambda row: row.id),
    Column[OrganizationDocument](
        "organization",
        lambda row: f"· {row.name}" if row.parent_id else row.name,
        may_be_cut=True,
    ),
    Column[OrganizationDocument]("orders", _orders, style=lambda row: style_of(_orders(row))),
]


@organization.command("list")
@account_option
@name_option
@click.option(
    "--status",
    type=click.Choice(["on", "off", "gone"]),
    help="Only those for which SCM accepts API orders (on) or not (off), or that are gone from SCM.",
)
@view_options("organization", "name", "id", paged=False)
def list_organizations(
    *, account: str | None, name: str | None, status: str | None, view: ListView
) -> None:
    """List organisations, each with its departments. Orders accept the id or the name of either."""
    from certline.models.accounts import catalogue

    found, names = _read(catalogue.organizations, account)
    kept = [row for row in found if _is_called(row, name) and status in (None, _orders(row))]
    sorts: dict[str, Callable[[Organization], Any]] = {
        "name": lambda row: (row.name, row.scm_id),
        "id": lambda row: row.scm_id,
    }
    show_rows(
        iter(_sorted(kept, view, sorts)),
        view,
        document=lambda row: OrganizationDocument.of(row, names),
        columns=[*ORGANIZATIONS, *_seen(names)],
        empty=NONE.format("organisation") if found else NEVER,
        total=lambda: len(kept),
    )


DOMAINS = [
    Column[DomainDocument]("id", lambda row: row.id),
    Column[DomainDocument]("domain", lambda row: row.name, may_be_cut=True),
    Column[DomainDocument]("state", lambda row: row.state, style=lambda row: style_of(row.state)),
    Column[DomainDocument](
        "delegation",
        lambda row: row.delegation_status,
        rank=2,
        style=lambda row: style_of(row.delegation_status),
    ),
    Column[DomainDocument](
        "validation",
        lambda row: row.validation_status,
        style=lambda row: style_of(row.validation_status),
    ),
    Column[DomainDocument](
        "expires",
        lambda row: minute_and_distance(row.validation_expires),
        style=lambda row: style_of_end(row.validation_expires),
    ),
    Column[DomainDocument]("under way", lambda row: row.stage, rank=2),
    Column[DomainDocument]("certificates", lambda row: f"{row.certificates or 0:,}", rank=1),
]


@click.command("list", cls=CliCommand)
@account_option
@name_option
@click.option(
    "--organization",
    metavar="ID|NAME",
    help="Only domains delegated to this organisation or department.",
)
@click.option(
    "--status",
    type=click.Choice(["validated", "not-validated", "expired", "gone"]),
    help="Only domains with this validation status, or that are gone from SCM.",
)
@days("--expires-within", "Only domains whose validation ends within this many days.")
@click.option("--under-way", is_flag=True, help="Only domains that are being validated.")
@view_options("name", "expires", "id", paged=False)
def list_domains(
    *,
    account: str | None,
    name: str | None,
    organization: str | None,
    status: str | None,
    expires_within: timedelta | None,
    under_way: bool,
    view: ListView,
) -> None:
    """List domains with their delegation, their validation and the certificates below them, by name."""
    from certline.models.accounts import catalogue
    from certline.models.certificates.below import certificates_below
    from certline.models.domains.under_way import validations_under_way

    found, names = _read(catalogue.domains, account)
    with context.database().transaction() as db:
        asked = places(db, account=account, organization=organization, profile=None)
        open_ones = validations_under_way(db)
    # A domain that is gone at SCM is not validated there.
    going = {
        _entry(row): open_ones.of(row.account_id, row.name) for row in found if row.gone_at is None
    }
    delegated = asked.get("organizations")
    until = None if expires_within is None else datetime.now(UTC).date() + expires_within
    kept = [
        row
        for row in found
        if _is_called(row, name)
        and status in (None, _validation(row))
        and (until is None or (row.validation_expires or NEVER_ENDS) <= until)
        and (delegated is None or {each["org_id"] for each in row.delegations} & set(delegated))
        and (not under_way or going.get(_entry(row)) is not None)
    ]
    with context.database().transaction() as db:
        below = certificates_below(db, {_key(row) for row in kept})
    sorts: dict[str, Callable[[Domain], Any]] = {
        "expires": lambda row: (row.validation_expires or NEVER_ENDS, row.name),
        "id": lambda row: row.scm_id,
    }
    show_rows(
        iter(_sorted(kept, view, sorts)),
        view,
        document=lambda row: DomainDocument.of(
            row,
            names,
            certificates=below[_key(row)],
            **of_validation(going.get(_entry(row))),
        ),
        columns=[*DOMAINS, *_seen(names)],
        empty=NONE.format("domain") if found else NEVER,
        total=lambda: len(kept),
    )


def _key(row: Domain) -> tuple[int, str]:
    """Return a domain as names of certificates have it."""
    return row.account_id, same_host(row.name).removeprefix("*.")


def _entry(row: Domain) -> tuple[int, int]:
    return row.account_id, row.scm_id


def _validation(row: Domain) -> str | None:
    if row.gone_at is not None:
        return "gone"
    word = "".join((row.validation_status or "").split()).replace("_", "").lower()
    return "not-validated" if word == "notvalidated" else word


@click.group(cls=Group)
def profile() -> None:
    """Certificate profiles with their terms and key types, as last synced."""


PROFILES = [
    Column[ProfileDocument]("id", lambda row: row.id),
    Column[ProfileDocument]("profile", lambda row: row.name, may_be_cut=True),
    Column[ProfileDocument](
        "status", lambda row: row.status, style=lambda row: style_of(row.status)
    ),
    Column[ProfileDocument]("terms", lambda row: row.terms),
    Column[ProfileDocument]("keys", lambda row: _keys(row.key_types), may_be_cut=True),
]


@profile.command("list")
@account_option
@name_option
@click.option(
    "--status",
    type=click.Choice(["available", "gone"]),
    help="Only profiles that SCM offers, or that are gone from SCM.",
)
@view_options("name", "id", paged=False)
def list_profiles(
    *, account: str | None, name: str | None, status: str | None, view: ListView
) -> None:
    """List profiles with the terms (in days) and the key types that they allow."""
    from certline.models.accounts import catalogue

    found, names = _read(catalogue.profiles, account)
    kept = [row for row in found if _is_called(row, name) and status in (None, row.status)]
    sorts: dict[str, Callable[[Profile], Any]] = {"id": lambda row: row.scm_id}
    show_rows(
        iter(_sorted(kept, view, sorts)),
        view,
        document=lambda row: ProfileDocument.of(row, names),
        columns=[*PROFILES, *_seen(names)],
        empty=NONE.format("profile") if found else NEVER,
        total=lambda: len(kept),
    )


def _read(
    question: Callable[[Session, int | None], Sequence[Row]], account: str | None
) -> tuple[list[Row], dict[int, str]]:
    """Return the rows in their default order, and the names of the accounts by id."""
    from certline.models.accounts.account import accounts

    with context.database().transaction() as db:
        only = None if account is None else find_account(db, account).id
        names = {row.id: row.name for row in accounts(db)}
        # The whole catalogue is read, then filtered and sorted in memory; hence these lists have no
        # --after.
        return list(question(db, only)), names


def _is_called(row: catalogue.SyncedRow, pattern: str | None) -> bool:
    from certline.models import Domain

    # A domain of another alphabet may be listed in either of its forms.
    forms = (folded, same_host) if isinstance(row, Domain) else (folded,)
    return pattern is None or any(
        # Only `*` is a wildcard; fnmatch would treat `?` and `[` as wildcards too.
        fnmatchcase(form(row.name), form(pattern).replace("[", "[[]").replace("?", "[?]"))
        for form in forms
    )


def _sorted(
    rows: Iterable[Row], view: ListView, sorts: dict[str, Callable[[Row], Any]]
) -> Sequence[Row]:
    key = sorts.get(view.sort)
    found = list(rows) if key is None else sorted(rows, key=key)
    return found[::-1] if view.reverse else found


def _seen(names: dict[int, str]) -> list[Column[Any]]:
    """Return the last columns: the account, if there are several, and when the row was synced or gone."""
    seen = Column[Any](
        "synced (UTC)",
        lambda row: minute(row.synced_at) if row.gone_at is None else f"gone {minute(row.gone_at)}",
        rank=3,
        style=lambda row: "" if row.gone_at is None else "dim",
    )
    whose = Column[Any]("account", lambda row: row.account, rank=1, may_be_cut=True)
    return [whose, seen] if len(names) > 1 else [seen]


def _keys(key_types: dict[str, Any]) -> str:
    return "; ".join(f"{kind} {', '.join(sizes)}" for kind, sizes in key_types.items())
