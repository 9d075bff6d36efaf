"""The changes that a sync has found, as text for users."""

from collections.abc import Iterator, Mapping
from typing import Any

NAMES = {
    "organizations": "organisations",
    "domains": "domains",
    "profiles": "profiles",
    "custom_fields": "custom fields",
}
CHANGES = ("added", "changed", "gone")


def changes(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each resource: how many there are, and what was added, changed or is gone."""
    for resource, noun in NAMES.items():
        counts = result.get(resource)
        if counts is None:
            continue
        told = [_change(counts, what) for what in CHANGES if counts[what]]
        yield f"{counts['total']} {noun}: {'; '.join(told) or 'nothing has changed'}"


def _change(counts: Mapping[str, Any], what: str) -> str:
    names = counts.get("names", {}).get(what, [])
    if not names:
        return f"{counts[what]} {what}"
    rest = counts[what] - len(names)
    return f"{counts[what]} {what} ({', '.join(names)}{f' and {rest} more' if rest else ''})"
