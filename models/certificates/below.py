"""Certificates below domains: how many active ones have a name at or below each."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    any_,
    bindparam,
    case,
    collate,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.host_names import at_and_above
from certline.models.states import CertificateStatus

# Labels that Postgres takes off a name in search of a domain. A domain further up is found all the same, but then
# each name costs a look in this process.
LABELS = 4

# A domain of an account: the account's id, and the name in ASCII form.
DomainKey = tuple[int, str]


def certificates_below(db: Session, domains: Collection[DomainKey]) -> Counter[DomainKey]:
    """Return how many active certificates have a name at or below each of these domains.

    Postgres replaces each name by the closest of the domains above it, and counts the certificates that are alike
    then: so few rows come here that their number does not depend on that of the certificates.
    """
    wanted, found = frozenset(domains), Counter[DomainKey]()
    if not wanted:
        return found
    for account_id, closest, count in db.execute(_alike(wanted)):
        above = {key for name in closest for key in _above(account_id, name)} & wanted
        found.update(dict.fromkeys(above, count))
    return found


def _alike(wanted: Collection[DomainKey]) -> Select[Any]:
    """Return the query for (account, closest domain of each name, number of certificates)."""
    names = sorted({name for _, name in wanted})
    given = func.unnest(Certificate.sans.op("||")(Certificate.common_name)).column_valued("name")
    closest = select(_closest(given, bindparam("wanted", names, ARRAY(Text)))).scalar_subquery()
    each = (
        select(Certificate.account_id, func.array(closest, type_=ARRAY(Text)).label("closest"))
        .where(
            Certificate.status == CertificateStatus.ACTIVE,
            Certificate.account_id.in_({account_id for account_id, _ in wanted}),
        )
        .subquery()
    )
    return select(each.c.account_id, each.c.closest, func.count()).group_by(
        each.c.account_id, each.c.closest
    )


def _closest(name: Any, wanted: Any) -> ColumnElement[str]:
    """Return the first of a name and those above it that is wanted, or what is left of it after LABELS of them."""
    rest, found = func.lower(collate(name, "C")), []
    for _ in range(LABELS):
        found.append((rest == any_(wanted), rest))
        # One without a dot stays as it is.
        rest = func.substr(rest, func.strpos(rest, literal(".")) + 1)
    return case(*found, else_=rest)


def _above(account_id: int, name: str) -> list[DomainKey]:
    """Return a name and all names above it, as domains of an account."""
    return [(account_id, each) for each in at_and_above(name.removeprefix("*."))]
