"""Patterns of host names that a sender may use. Pure functions.

`shop.example` stands for itself. `*.shop.example` stands for every name below it, however deep, wildcards
included, but not for `shop.example` itself. `*` stands for every name.
"""

from collections.abc import Iterable, Sequence

from certline.models.commands.fields import dns_name
from certline.models.host_names import same_host

ANY = "*"


def pattern_of(text: str) -> str:
    """Return a pattern in the form in which it is stored and compared. Raises ValueError."""
    if text.strip() == ANY:
        return ANY
    try:
        return dns_name(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a name or a pattern; use shop.example for that name alone, *.shop.example for all "
            "names below it, or * for all names"
        ) from None


def covers(pattern: str, name: str) -> bool:
    """Return True if a stored pattern stands for a name.

    The name may be a wildcard: `*.shop.example` is covered by the same pattern, as is every name that its
    certificate is valid for.
    """
    wanted = same_host(name)
    if pattern == ANY:
        return True
    if pattern.startswith("*."):
        return wanted.endswith(pattern[1:])
    return wanted == pattern


def not_covered(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return the names that no pattern covers, without duplicates; none if there are no patterns."""
    if not patterns:
        return []
    return [
        name
        for name in dict.fromkeys(names)
        if not any(covers(pattern, name) for pattern in patterns)
    ]
