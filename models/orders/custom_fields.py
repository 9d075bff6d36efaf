"""Custom fields of an order: read from `NAME=VALUE`, and filled in under the names that SCM has for them."""

from collections.abc import Iterable, Mapping, Sequence

from certline.models.accounts.catalogue import CustomField
from certline.models.names import called, spelled


def read_pair(text: str, known: Iterable[str]) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`; the name is the longest known one that stands before a `=`.

    Without a known name it ends at the first `=`. Raises ValueError if there is no `=` or no name before it.
    """
    names = list(known)
    ends = [place for place, mark in enumerate(text) if mark == "="]
    for end in reversed(ends):
        if called(text[:end], names, str):
            return text[:end], text[end + 1 :]
    if not ends or not text[: ends[0]].strip():
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return text[: ends[0]].strip(), text[ends[0] + 1 :]


def filled_in(
    given: Mapping[str, str], known: Sequence[CustomField]
) -> tuple[dict[str, str], list[str]]:
    """Return the values under SCM's names, and the problems: unknown, ambiguous, doubled and missing fields."""
    values: dict[str, str] = {}
    problems = []
    for name, value in given.items():
        found = called(name, known, lambda row: row.name)
        if len(found) == 1 and found[0].name not in values:
            values[found[0].name] = value
        elif len(found) == 1:
            problems.append(f"custom_fields: {spelled(name)!r} is given twice")
        elif found:
            spellings = ", ".join(repr(row.name) for row in found)
            problems.append(f"custom_fields: {name!r} is ambiguous; SCM has {spellings}")
        else:
            names = ", ".join(sorted(spelled(row.name) for row in known))
            problems.append(f"custom_fields: SCM has no field {name!r}; it has: {names or 'none'}")
    problems += [
        f"custom_fields: {spelled(row.name)!r} is mandatory (--custom-field '{spelled(row.name)}=VALUE')"
        for row in known
        if row.mandatory and not values.get(row.name)
    ]
    return values, problems
