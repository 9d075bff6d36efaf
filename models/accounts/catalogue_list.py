"""Lists of the synced catalogue page by page: organisations, domains and profiles.

Filters and sorting are Postgres' work. The tables need no index for it: they hold some thousand rows at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Date,
    Integer,
    and_,
    any_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain, Organization, Profile, SyncedRow
from certline.models.database.patterns import escaped
from certline.models.host_names import same_host
from certline.models.names import spelled

Synced = TypeVar("Synced", Organization, Domain, Profile)

# Sorts after every other date: a validation without an end.
NEVER_ENDS = literal(date.max, Date)
# What may be asked for as a status of each.
ORGANIZATION_STATES = ("on", "off", "gone")
DOMAIN_STATES = ("validated", "not-validated", "expired", "gone")
PROFILE_STATES = ("available", "gone")


@dataclass(frozen=True)
class CatalogueFilter:
    """Which rows are listed; a filter that is None does not apply.

    `name`: a pattern, `*` for any characters; without `*` it may be anywhere in the name. `status`: one of
    the STATES. `entries`: only these, by account and SCM's id. Of domains only: `organization`, SCM's id of one to
    which they are delegated, and `ends_by`, the last day of the validation.
    """

    account_id: int | None = None
    name: str | None = None
    status: str | None = None
    organization: int | None = None
    ends_by: date | None = None
    entries: Sequence[tuple[int, int]] | None = None


Key = ColumnElement[Any]


def sort_keys(table: type[Synced], sort: str) -> list[Key]:
    """Return the expressions by which a list is sorted; none is null, and the last ones make a row unique.

    Raises KeyError if the list has no such sorting.
    """
    unique: list[Any] = [table.account_id, table.scm_id]
    known: dict[str, list[Any]] = {"name": [table.name, *unique], "id": [table.scm_id, *unique]}
    if table is Organization:
        # False sorts first: an organisation, then its departments.
        own_name = func.coalesce(Organization.parent_name, Organization.name)
        is_part = Organization.parent_id.is_not(None)
        known["organization"] = [table.account_id, own_name, is_part, table.name, *unique]
    if table is Domain:
        ends = func.coalesce(Domain.validation_expires, NEVER_ENDS)
        known["expires"] = [ends, table.name, *unique]
    return known[sort]


def catalogue_page(
    db: Session,
    table: type[Synced],
    wanted: CatalogueFilter,
    *,
    sort: str = "name",
    descending: bool = False,
    after: tuple[int, int] | None = None,
    limit: int,
) -> list[Synced]:
    """Load a page. `after`: account and SCM's id of the last row before it; an unknown one begins anew."""
    keys = sort_keys(table, sort)
    query = select(table).where(*conditions(table, wanted))
    if after is not None:
        its = select(*keys).where(table.account_id == after[0], table.scm_id == after[1])
        last = db.execute(its).one_or_none()
        if last is not None:
            here = tuple_(*keys)
            there = tuple_(
                *(literal(value, key.type) for value, key in zip(last, keys, strict=True))
            )
            query = query.where(here < there if descending else here > there)
    in_order = [key.desc() if descending else key.asc() for key in keys]
    return list(db.scalars(query.order_by(*in_order).limit(limit)))


def count_catalogue(db: Session, table: type[Synced], wanted: CatalogueFilter) -> int:
    """Return the number of rows of a list."""
    query = select(func.count()).select_from(table).where(*conditions(table, wanted))
    return db.scalar(query) or 0


def conditions(table: type[Synced], wanted: CatalogueFilter) -> Sequence[ColumnElement[bool]]:
    """Return the SQL conditions of a filter. Raises KeyError for a status that there is not."""
    found: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        found.append(table.account_id == wanted.account_id)
    if wanted.name is not None:
        found.append(_named(table, wanted.name))
    if wanted.status is not None:
        found.append(_states(table)[wanted.status])
    if wanted.entries is not None:
        found.append(_one_of(table, wanted.entries))
    if table is Domain and wanted.organization is not None:
        found.append(delegated_to(wanted.organization))
    if table is Domain and wanted.ends_by is not None:
        found.append(Domain.validation_expires <= wanted.ends_by)
    return found


def delegated_to(organization: int) -> ColumnElement[bool]:
    """Return the condition that a domain is delegated to an organisation or department, approved or not."""
    return Domain.delegations.op("@>")(literal([{"org_id": organization}], JSONB))


def _one_of(table: type[SyncedRow], entries: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    by_account: dict[int, list[int]] = {}
    for account_id, scm_id in entries:
        by_account.setdefault(account_id, []).append(scm_id)
    return or_(
        false(),
        *(
            and_(table.account_id == own_id, table.scm_id == any_(literal(ids, ARRAY(Integer))))
            for own_id, ids in by_account.items()
        ),
    )


def _named(table: type[SyncedRow], pattern: str) -> ColumnElement[bool]:
    # A domain of another alphabet may be listed in either of its forms.
    forms = {spelled(pattern), *([same_host(pattern)] if table is Domain else [])}
    return or_(
        *(
            table.name.ilike(escaped(form if "*" in form else f"*{form}*"), escape="\\")
            for form in forms
        )
    )


def _states(table: type[SyncedRow]) -> dict[str, ColumnElement[bool]]:
    is_here, is_gone = table.gone_at.is_(None), table.gone_at.is_not(None)
    if table is Profile:
        return {"available": is_here, "gone": is_gone}
    if table is Organization:
        has_types = func.coalesce(func.cardinality(Organization.cert_types), 0) > 0
        without_ssl = and_(has_types, not_(literal("SSL") == Organization.cert_types.any_()))
        off = or_(func.coalesce(Organization.api_enabled, True).is_(False), without_ssl)
        on = and_(func.coalesce(Organization.api_enabled, False), not_(off))
        return {"on": and_(is_here, on), "off": and_(is_here, off), "gone": is_gone}
    word = func.lower(func.translate(func.coalesce(Domain.validation_status, ""), " _", ""))
    words = {"validated": "validated", "not-validated": "notvalidated", "expired": "expired"}
    return {state: and_(is_here, word == text) for state, text in words.items()} | {"gone": is_gone}
