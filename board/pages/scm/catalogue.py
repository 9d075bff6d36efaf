"""Shared code of the lists of the synced catalogue: filters, paging, and the accounts to choose from."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from certline.board.web.commands import Suggestion, typed
from certline.board.web.filters import UrlFilter, Wanted, search
from certline.board.web.list_page import Empty, Rows
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue_list import (
    CatalogueFilter,
    Synced,
    catalogue_page,
    count_catalogue,
)
from certline.models.documents.projection import Document
from certline.models.domains.under_way import entries_under_way

Shown = TypeVar("Shown", bound=Document)
# Returns further fields of the documents of some rows, one dictionary for each.
MoreFields = Callable[[Session, Sequence[Synced]], list[dict[str, Any]]]

SYNC = Suggestion("Read organisations, domains and profiles from SCM", typed("sync", "--wait"))
NEVER = Empty("Nothing has been read from SCM yet.", [SYNC])
NAME = search("name", "Name", hint="A part of it; * stands for any characters")
ACCOUNT = UrlFilter("account", "Account")
# Of domains: that a validation is under way, and that it waits for a person.
UNDER_WAY, FOR_PERSON = "yes", "person"


def account_choices(db: Session) -> dict[str, list[tuple[str, str]]]:
    """Return the accounts to choose from."""
    return {"account": [(row.name, row.name) for row in accounts_shown(db)]}


def filter_of(db: Session, wanted: Wanted) -> CatalogueFilter | None:
    """Return the filter that an address asks for; None if it names an account that there is not."""
    account_id = None
    if wanted["account"] is not None:
        known = {row.name: row.id for row in accounts_shown(db)}
        account_id = known.get(wanted["account"])
        if account_id is None:
            return None
    within, under_way = wanted["expires_within"], wanted["under_way"]
    return CatalogueFilter(
        account_id=account_id,
        name=wanted["name"],
        status=wanted["status"],
        organization=wanted["organization"],
        ends_by=None if within is None else datetime.now(UTC).date() + within,
        entries=None
        if under_way is None
        else entries_under_way(db, for_person=under_way == FOR_PERSON),
    )


def reader(
    table: type[Synced],
    document: type[Shown],
    fields: MoreFields[Synced] = lambda _db, rows: [{} for _ in rows],
) -> Callable[[Session, Wanted, str | None, int], Rows[Shown]]:
    """Return the function that loads a page of a list as documents. `fields`: what no row has."""

    def read(db: Session, wanted: Wanted, after: str | None, limit: int) -> Rows[Shown]:
        narrowed = filter_of(db, wanted)
        if narrowed is None:
            return Rows([], [])
        found = catalogue_page(
            db,
            table,
            narrowed,
            sort=wanted.sort,
            descending=wanted.reverse,
            after=key_of(after),
            limit=limit,
        )
        names = {row.id: row.name for row in accounts_shown(db)}
        return Rows(
            [
                document.of(row, names, **more)
                for row, more in zip(found, fields(db, found), strict=True)
            ],
            [f"{row.account_id}.{row.scm_id}" for row in found],
        )

    return read


def count_rows(db: Session, table: type[Synced], wanted: Wanted) -> int:
    """Return the number of rows of a list."""
    narrowed = filter_of(db, wanted)
    return 0 if narrowed is None else count_catalogue(db, table, narrowed)


def key_of(after: str | None) -> tuple[int, int] | None:
    """Return account and SCM's id of the row that `after` names; None if it names none."""
    account, _, scm_id = (after or "").partition(".")
    if not all(
        part.isascii() and part.isdecimal() and len(part) < 10 for part in (account, scm_id)
    ):
        return None
    return int(account), int(scm_id)


def keys_of(key_types: dict[str, Any]) -> str | None:
    """Return the key types that a profile allows, such as `RSA 2048, 3072; EC P-256`."""
    kinds = [f"{kind} {', '.join(map(str, sizes))}" for kind, sizes in key_types.items()]
    return "; ".join(kinds) or None
