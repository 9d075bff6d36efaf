"""Filters of a list, read from the address and drawn as a form."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from certline.board.web.errors import BadFilterError

# Characters of one value in an address.
LONGEST = 1_000


@dataclass(frozen=True)
class UrlFilter:
    """Filter of a list: `name` in the address, `label` for people.

    `read` turns the text into a value, and raises ValueError with what it should be. `choices`: values and their
    labels, if there are few; `several`: whether it may be given more than once. `kind`: of the input element.
    """

    name: str
    label: str
    read: Callable[[str], Any] = str
    choices: tuple[tuple[str, str], ...] = ()
    several: bool = False
    kind: str = "text"
    hint: str = ""

    def value_of(self, texts: Sequence[str]) -> Any:
        """Return the value of what the address gives, None for nothing. Raises ValueError."""
        given = [text.strip() for text in texts if text.strip()]
        if not given:
            return None
        if len(given) > 1 and not self.several:
            raise ValueError("should be given once")
        if any(len(text) > LONGEST or "\0" in text for text in given):
            raise ValueError(f"should have at most {LONGEST:,} characters")
        known = [value for value, _ in self.choices]
        if known and not set(given) <= set(known):
            raise ValueError(f"should be one of: {', '.join(known)}")
        values = [self.read(text) for text in given]
        return values if self.several else values[0]


def search(name: str, label: str, hint: str = "") -> UrlFilter:
    """Return a filter that takes any text."""
    return UrlFilter(name, label, kind="search", hint=hint)


def choice(name: str, label: str, values: Iterable[str], *, several: bool = False) -> UrlFilter:
    """Return a filter for one (or several) of some words."""
    return UrlFilter(
        name, label, choices=tuple((value, value) for value in values), several=several
    )


def number(name: str, label: str, *, least: int = 0, most: int = 2**31 - 1) -> UrlFilter:
    """Return a filter that takes a whole number within limits."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise ValueError("should be a whole number")
        if not least <= int(text) <= most:
            raise ValueError(f"should be between {least:,} and {most:,}")
        return int(text)

    return UrlFilter(name, label, read=read, kind="number")


def days(name: str, label: str) -> UrlFilter:
    """Return a filter that takes a number of days, as a timedelta."""
    whole = number(name, label, most=36_500)
    return UrlFilter(name, label, read=lambda text: timedelta(days=whole.read(text)), kind="number")


def day(name: str, label: str) -> UrlFilter:
    """Return a filter that takes a day, such as 2026-11-28."""

    def read(text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError("should be a day such as 2026-11-28") from None

    return UrlFilter(name, label, read=read, kind="date")


def moment(name: str, label: str) -> UrlFilter:
    """Return a filter that takes a day, or a day and a time, in UTC unless it names another zone."""

    def read(text: str) -> datetime:
        try:
            found = datetime.fromisoformat(text)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("should be a time such as 2026-11-28 or 2026-11-28T14:00") from None

    return UrlFilter(name, label, read=read, hint="2026-11-28, or 2026-11-28T14:00, in UTC")


# Parameters of every list that are no filters.
SORT, REVERSE, AFTER, FORMAT, LIMIT = "sort", "reverse", "after", "format", "limit"
OWN = (SORT, REVERSE, AFTER, FORMAT, LIMIT)


@dataclass(frozen=True)
class Wanted:
    """What the address asks of a list. `texts`: the filters as they were written; `values`: as they were read."""

    values: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, list[str]] = field(default_factory=dict)
    sort: str = ""
    reverse: bool = False
    after: str | None = None
    limit: int | None = None

    def __getitem__(self, name: str) -> Any:
        """Return the value of a filter, None if it does not apply."""
        return self.values.get(name)

    @property
    def narrowed(self) -> bool:
        """True if a filter applies."""
        return bool(self.texts)

    def parameters(self, **changed: Any) -> dict[str, Any]:
        """Return the parameters of this list's address, with some of `OWN` changed; None removes one."""
        own = {SORT: self.sort, REVERSE: "1" if self.reverse else None} | changed
        return {**self.texts, **{name: value for name, value in own.items() if value is not None}}


def wanted_of(given: QueryParams, filters: Sequence[UrlFilter], sorts: Sequence[str]) -> Wanted:
    """Read the address of a list. Raises BadFilterError with every value that makes no sense."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    texts: dict[str, list[str]] = {}
    for each in filters:
        written = given.getlist(each.name)
        try:
            value = each.value_of(written)
        except ValueError as wrong:
            problems.append(f"{each.label} ({each.name}) {wrong}")
            continue
        if value is not None:
            values[each.name] = value
            texts[each.name] = [text for text in written if text.strip()]
    known = {each.name for each in filters} | set(OWN)
    problems += [
        f"there is no filter {name!r} here; there are: {', '.join(each.name for each in filters)}"
        for name in dict.fromkeys(given)
        if name not in known
    ]
    sort = given.get(SORT) or (sorts[0] if sorts else "")
    if sorts and sort not in sorts:
        problems.append(f"sort should be one of: {', '.join(sorts)}")
    try:
        limit = number(LIMIT, "limit", least=1).value_of(given.getlist(LIMIT))
    except ValueError as wrong:
        problems.append(f"limit {wrong}")
        limit = None
    if problems:
        raise BadFilterError(problems)
    after = (given.get(AFTER) or "")[:LONGEST].replace("\0", "") or None
    return Wanted(values, texts, sort, bool(given.get(REVERSE)), after, limit)
