"""Scope of a validation: the domain that is validated for a name, and the domains that its validation covers.

SCM validates a domain together with everything below it, and refuses to validate one below another of the
customer's (code -723, "high-level domains only"). Pure functions over the rows of an account.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from certline.models.accounts.catalogue import Domain
from certline.models.host_names import same_host
from certline.models.orders.domain_rules import bare_name


def validated_for(name: str, domains: Iterable[Domain]) -> list[Domain]:
    """Return the domains that are validated for a name: those with the highest name at or above it, or none.

    They are several where SCM lists a domain and its wildcard.
    """
    bare = same_host(name.removeprefix("*."))
    above = [
        domain
        for domain in domains
        if domain.gone_at is None and f".{bare}".endswith(f".{bare_name(domain)}")
    ]
    top = min((bare_name(domain) for domain in above), key=len, default=None)
    return [domain for domain in above if bare_name(domain) == top]


def covers(domain: str, name: str) -> bool:
    """Return True if a validation of a domain covers a row of this name: itself, its wildcard, or one below it."""
    return f".{same_host(name).removeprefix('*.')}".endswith(f".{domain}")


def ends_of(domains: Sequence[Domain]) -> date | None:
    """Return the day on which the validation of these domains ends; None if it never began, or has no end."""
    return max(
        (each.validation_expires for each in domains if each.validation_expires), default=None
    )
