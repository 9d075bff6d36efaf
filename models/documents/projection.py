"""The projection of a row: a document whose fields are the JSON keys, with the values for users beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Self

# Seconds of a day.
DAY = 86_400


def instant(moment: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC, with Z."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def minute(moment: datetime | date | None) -> str | None:
    """Format a time for users, in UTC: `2026-11-23 12:00`; a date as `2026-11-23`."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
    return None if moment is None else moment.isoformat()


def second(moment: datetime | None) -> str | None:
    """Format a time for users, in UTC, with seconds: `2026-11-23 12:00:07`."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def age(seconds: float | None) -> str:
    """Format an age for a narrow column: `12 s`, `5 min`, `3 h`, `4 d`; `-` for None."""
    if seconds is None:
        return "-"
    for unit, length, least in (("d", DAY, 2 * DAY), ("h", 3_600, 7_200), ("min", 60, 120)):
        if seconds >= least:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def time_span(time: timedelta) -> str:
    """Format a time span for users: `40 s`, `25 min`, `3.2 h`, `4.5 days`."""
    seconds = max(0.0, time.total_seconds())
    for limit, unit, name in ((100, 1, "s"), (6000, 60, "min")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} days"


def distance(moment: datetime | date, now: datetime | None = None) -> str:
    """Return how far away a time is, for users: `in 5 days`, `in 3 h`, `2 days ago`, `today` for a date."""
    now = now or datetime.now(UTC)
    if isinstance(moment, datetime):
        seconds = (moment - now).total_seconds()
        if abs(seconds) < DAY:
            span = _short_span(abs(seconds))
            return f"in {span}" if seconds >= 0 else f"{span} ago"
        # Whole days that are left, or over: a certificate with 5 days and 23 hours has 5 days.
        days = int(seconds / DAY)
    else:
        days = (moment - now.date()).days
        if days == 0:
            return "today"
    span = f"{abs(days):,} day{'' if abs(days) == 1 else 's'}"
    return f"in {span}" if days > 0 else f"{span} ago"


def _short_span(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


def minute_and_distance(moment: datetime | date | None) -> str | None:
    """Format a time and how far away it is: `2026-11-28 12:00, in 5 days`."""
    return None if moment is None else f"{minute(moment)}, {distance(moment)}"


def day_and_distance(moment: datetime | None) -> str | None:
    """Format a day, in UTC, and how far away its time is: `2026-11-28, in 5 days`."""
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d}, {distance(moment)}"


# What an instance has no value for, while None may be one.
_NOTHING = object()


@dataclass(frozen=True)
class Source:
    """Where a document's field comes from, if not from the row's attribute of the same name.

    `path`: an attribute of the row, then attributes or keys of what is found. `make`: computes the value from
    the row and the names of accounts by id. `hidden`: for users only, so not in the JSON document.
    """

    path: tuple[str, ...] = ()
    make: Callable[[Any, Mapping[int, str]], Any] | None = None
    default: Any = _NOTHING
    hidden: bool = False

    def read(self, row: Any, accounts: Mapping[int, str]) -> Any:
        """Return the field's value for a row. Raises AttributeError or KeyError if it has none."""
        if self.make is not None:
            return self.make(row, accounts)
        try:
            found = row
            for name in self.path:
                found = found[name] if isinstance(found, Mapping) else getattr(found, name)
        except (AttributeError, KeyError):
            if self.default is _NOTHING:
                raise
            return self.default
        return found


def of(*path: str, default: Any = _NOTHING, hidden: bool = False) -> Any:
    """Declare a field that comes from another attribute of the row, or from within one (see Source)."""
    return Source(path=path, default=default, hidden=hidden)


def made(make: Callable[[Any], Any]) -> Any:
    """Declare a field that is computed from the row."""
    return Source(make=lambda row, _accounts: make(row))


def for_users() -> Any:
    """Declare a field that the detail view or a list shows, and the JSON document does not have."""
    return Source(hidden=True)


def account_name(column: str = "account_id") -> Any:
    """Declare a field with the name of the account whose id the row has in a column."""

    def name(row: Any, names: Mapping[int, str]) -> str | None:
        own_id = getattr(row, column)
        return None if own_id is None else names[own_id]

    return Source(make=name)


class Document:
    """The projection of a row. Its fields, in their order, are the keys of the JSON document.

    Not a pydantic class: rows of ours need no validation, and building such classes takes longer than a list.
    """

    _sources: ClassVar[dict[str, Source]] = {}

    def __init_subclass__(cls) -> None:
        """Note where each field comes from."""
        cls._sources = {}
        for name in cls.__annotations__:
            declared = cls.__dict__.get(name)
            found = declared if isinstance(declared, Source) else Source()
            if found is declared:
                delattr(cls, name)
            named = found.path or found.make
            cls._sources[name] = found if named else replace(found, path=(name,))

    @classmethod
    def of(cls, row: object, accounts: Mapping[int, str] | None = None, **more: Any) -> Self:
        """Return the document of a row.

        `accounts`: account names by id, for fields declared by `account_name`; `more`: fields that no row has.
        """
        document = cls()
        for name, source in cls._sources.items():
            found = more[name] if name in more else source.read(row, accounts or {})
            object.__setattr__(document, name, found)
        return document

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError: a document does not change."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set")

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON document: times as ISO 8601 in UTC, and the words of statuses and kinds."""
        return {
            name: _plain(getattr(self, name))
            for name, source in self._sources.items()
            if not source.hidden
        }


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
