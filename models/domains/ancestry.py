"""Ancestry of domains: the entries of SCM's list at or above a name, found by Postgres."""

from collections.abc import Iterable

from sqlalchemy import ARRAY, ColumnElement, Text, any_, literal, not_, or_, select
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain
from certline.models.host_names import at_and_above

# A name that is written as names are compared. What another one stands for (capitals, other alphabets) Postgres
# does not know, so such entries, which are few, are always read.
PLAIN = r"^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$"


def at_or_above(names: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition that an entry is one of these names, its wildcard, or one above it.

    `names`: in ASCII form, without `*.`. Entries whose name is written in another way meet it too.
    """
    found = dict.fromkeys(above for name in names for above in at_and_above(name))
    entries = [entry for name in found for entry in (name, f"*.{name}")]
    return or_(
        Domain.name == any_(literal(entries, ARRAY(Text))), not_(Domain.name.regexp_match(PLAIN))
    )


def entries_above(db: Session, account_id: int, name: str) -> list[Domain]:
    """Return at least the entries of an account at or above a name, gone ones included (see `at_or_above`)."""
    query = select(Domain).where(Domain.account_id == account_id, at_or_above([name]))
    return list(db.scalars(query.order_by(Domain.name, Domain.scm_id)))
