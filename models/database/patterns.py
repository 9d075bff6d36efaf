"""SQL conditions for name patterns, in which `*` stands for any characters."""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

from certline.models.host_names import same_host

# Sorts after every character of a name; names are ASCII.
LAST_CHARACTER = "\U0010ffff"


def like(column: InstrumentedAttribute[str], pattern: str) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that a name has to meet to match a pattern.

    The fixed beginning and the fixed end of the pattern are each looked up in an index; a pattern
    with `*` at both ends scans every name.
    """
    pattern = same_host(pattern)
    first, star, rest = pattern.partition("*")
    if not star:
        yield column == pattern
        return
    if first:
        yield column >= first
        yield column < first + LAST_CHARACTER
    end = rest.rpartition("*")[2][::-1]
    if end:
        backwards = func.reverse(column)
        yield backwards >= end
        yield backwards < end + LAST_CHARACTER
    yield matches(column, pattern)


def matches(column: InstrumentedAttribute[str], pattern: str) -> ColumnElement[bool]:
    """Return the condition that a text matches a pattern, without the help of an index."""
    return column.like(escaped(pattern), escape="\\")


def escaped(pattern: str) -> str:
    """Return a pattern in SQL's spelling: `*` becomes `%`, and backslash escapes what SQL reads."""
    text = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return text.replace("*", "%")
