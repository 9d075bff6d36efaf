"""Scope of a validation: the domain that is validated for a name, and the domains that its validation covers.

SCM validates a domain together with everything below it, and refuses to validate one below another of the
customer's (code -723, "high-level domains only"). Pure functions over the rows of an account.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import date

from certline.models.accounts.catalogue import Domain
from certline.models.host_names import at_and_above, same_host
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


def top_domains(domains: Iterable[Domain]) -> dict[str, list[Domain]]:
    """Return the domains that are validated themselves, by name: those below none of an account's others.

    Each with its rows: SCM may list a domain and its wildcard.
    """
    found: dict[str, list[Domain]] = {}
    for domain in domains:
        if domain.gone_at is None:
            found.setdefault(bare_name(domain), []).append(domain)
    return {name: rows for name, rows in found.items() if not _is_below_another(name, found)}


def ends_of(domains: Sequence[Domain]) -> date | None:
    """Return the day on which the validation of these domains ends; None if it never began, or has no end."""
    longest = longest_of(domains)
    return None if longest is None else longest.validation_expires


def longest_of(domains: Sequence[Domain]) -> Domain | None:
    """Return the domain whose validation ends last; None if none has an end."""
    ends = [(each.validation_expires, each) for each in domains if each.validation_expires]
    return max(ends, key=lambda pair: pair[0], default=(None, None))[1]


def _is_below_another(name: str, names: Container[str]) -> bool:
    return any(above in names for above in at_and_above(name) if above != name)
