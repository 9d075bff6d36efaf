"""Filters by account, organisation and profile: each is chosen by its name."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.board.web.errors import BadFilterError
from certline.board.web.filters import UrlFilter, Wanted
from certline.models.accounts.account import Account, accounts_shown
from certline.models.accounts.catalogue import Organization, Profile
from certline.models.listing import ids_named

ACCOUNT = UrlFilter("account", "Account")
ORGANIZATION = UrlFilter("organization", "Organisation")
PROFILE = UrlFilter("profile", "Profile")
FILTERS = (ORGANIZATION, PROFILE, ACCOUNT)
# Values and labels to choose from, by the filter's name.
Choices = dict[str, list[tuple[str, str]]]


def choices_of(db: Session) -> Choices:
    """Return what may be chosen for each of FILTERS: SCM's id and the name of those that are synced."""
    return {
        ORGANIZATION.name: _choices(db, Organization),
        PROFILE.name: _choices(db, Profile),
        ACCOUNT.name: [(row.name, row.name) for row in accounts_shown(db)],
    }


def _choices(db: Session, table: type[Organization] | type[Profile]) -> list[tuple[str, str]]:
    query = select(table.scm_id, table.name).distinct().order_by(table.name, table.scm_id)
    return [(str(scm_id), name) for scm_id, name in db.execute(query)]


def narrowing_of(db: Session, wanted: Wanted) -> dict[str, Any]:
    """Return the fields of a Narrowing that the filters select. Raises BadFilterError for names not known."""
    account = wanted[ACCOUNT.name]
    problems: list[str] = []
    found: dict[str, Any] = {}
    if account is not None:
        found["account_id"] = db.scalar(select(Account.id).where(Account.name == account))
        if found["account_id"] is None:
            problems.append(f"there is no account {account!r}")
    for field, each, table in (
        ("organizations", ORGANIZATION, Organization),
        ("profiles", PROFILE, Profile),
    ):
        if wanted[each.name] is not None:
            ids = ids_named(db, table, wanted[each.name], found.get("account_id"))
            found[field] = ids
            if not ids:
                problems.append(f"there is no {each.label.lower()} {wanted[each.name]!r}")
    if problems:
        raise BadFilterError(problems)
    return found


def organization_names(db: Session, ids: Sequence[int]) -> dict[int, str]:
    """Return the names of organisations and departments by SCM's id, whatever their account."""
    query = select(Organization.scm_id, Organization.name).where(Organization.scm_id.in_(set(ids)))
    return {row.scm_id: row.name for row in db.execute(query)}


def profile_names(db: Session, ids: Sequence[int]) -> dict[int, str]:
    """Return the names of profiles by SCM's id, whatever their account."""
    query = select(Profile.scm_id, Profile.name).where(Profile.scm_id.in_(set(ids)))
    return {row.scm_id: row.name for row in db.execute(query)}
