"""Certificates below domains: how many active ones have a name at or below each."""

from collections import Counter
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.states import CertificateStatus

# Certificates that are read at once.
PIECE = 5_000

# A domain of an account: the account's id, and the name in ASCII form.
DomainKey = tuple[int, str]


def certificates_below(db: Session, domains: Collection[DomainKey]) -> Counter[DomainKey]:
    """Return how many active certificates have a name at or below each of these domains.

    One pass over the active certificates, whose time does not depend on the number of domains.
    """
    wanted, found = frozenset(domains), Counter[DomainKey]()
    if not wanted:
        return found
    query = select(Certificate.account_id, Certificate.common_name, Certificate.sans).where(
        Certificate.status == CertificateStatus.ACTIVE,
        Certificate.account_id.in_({account_id for account_id, _ in wanted}),
    )
    for piece in db.execute(query, execution_options={"yield_per": PIECE}).partitions():
        for account_id, common_name, sans in piece:
            names = {common_name, *sans}
            found.update(
                {key for name in names for key in _above(account_id, name) if key in wanted}
            )
    return found


def _above(account_id: int, name: str) -> list[DomainKey]:
    """Return a name and all names above it, as domains of an account."""
    rest, above = name.lower().removeprefix("*."), []
    while rest:
        above.append((account_id, rest))
        _, _, rest = rest.partition(".")
    return above
