"""Shared code of the pages of one row of the synced catalogue: organisation, domain or profile."""

from collections.abc import Sequence
from typing import Any

from certline.board.detail.sections import Remark, Section
from certline.board.web import links
from certline.board.web.cells import Cell, Code, Moment, Name
from certline.board.web.commands import typed
from certline.board.web.errors import UnknownThingError
from certline.board.web.page_request import PageRequest
from certline.models import Account, Domain, Organization, Profile
from certline.models.accounts.account import accounts_shown
from certline.models.accounts.catalogue_list import Synced
from certline.models.validation import column_integer


def found_row(asked: PageRequest, table: type[Synced], noun: str) -> tuple[Synced, Account]:
    """Return the row that an address names, with its account. Raises UnknownThingError."""
    given = [str(asked.given(name)) for name in ("account", "scm_id")]
    key = [column_integer(text) if text.isascii() and text.isdecimal() else None for text in given]
    row = None if None in key else asked.db.get(table, tuple(key))
    if row is None:
        command = typed(table.__tablename__, "list")
        raise UnknownThingError(f"There is no {noun} with this address.", command)
    account = next(each for each in accounts_shown(asked.db) if each.id == row.account_id)
    return row, account


def common_facts(row: Organization | Domain | Profile, account: Account) -> list[tuple[str, Cell]]:
    """Return the facts that each of them has."""
    return [
        ("Id at SCM", Code(str(row.scm_id))),
        ("Account", Name(account.name, links.account(account.name))),
        ("Gone at SCM since", Moment(row.gone_at)),
    ]


def gone_remark(row: Organization | Domain | Profile) -> list[Section]:
    """Return what is said of one that is gone at SCM, and nothing of any other."""
    if row.gone_at is None:
        return []
    text = "SCM does not list it any more: nothing can be ordered with it."
    return [Remark(text, urgent=True)]


def words_of(delegations: Sequence[dict[str, Any]], key: str) -> str | None:
    """Return the words that delegations have under a key, which may be a text or a list."""
    found: list[str] = []
    for each in delegations:
        value = each.get(key)
        found += (
            map(str, value) if isinstance(value, list) else [] if value is None else [str(value)]
        )
    return ", ".join(dict.fromkeys(found)) or None
