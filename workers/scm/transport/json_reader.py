"""Readers for the pieces of a JSON response: lenient about missing values, strict about ids."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

T = TypeVar("T")

# Largest value of a signed 64-bit column; SCM's ids have 32 bits, its order numbers 64.
LARGEST = 2**63 - 1
# Values in a response at most: its size is no limit, as `[{},{},…]` takes thirty times as much memory.
MOST_VALUES = 200_000


class WrongShapeError(Exception):
    """The response doesn't have the documented structure; the text says where."""


def read_json(body: bytes, most_values: int = MOST_VALUES) -> object:
    """Return the value of a JSON text. Raises WrongShapeError if it isn't JSON, or has too many values."""
    # Every value but the first follows one of these. Those within texts count too, so the limit is a generous one.
    if body.count(b",") + body.count(b"[") + body.count(b"{") >= most_values:
        raise WrongShapeError(f"more than {most_values} values")
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    else:
        return value
    # Raised outside the `except`, so that no traceback chains an error that quotes the body.
    raise WrongShapeError("not JSON")


class Row:
    """A JSON object, treating an absent key, null and "" alike. All methods raise WrongShapeError."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise WrongShapeError(f"an object was expected, not {type(raw).__name__}")
        self._raw: dict[str, object] = raw

    def has(self, key: str) -> bool:
        """Return True if the key has a value."""
        return self._raw.get(key) not in (None, "")

    def text(self, key: str) -> str:
        """Return the value as a text, "" if there is none; a number is converted."""
        return plain(self._raw.get(key), key)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, which SCM may also send as one text with commas or semicolons."""
        return texts(self._raw.get(key))

    def id(self, key: str) -> int:
        """Return an id: a required number above 0."""
        try:
            found = number(self._raw.get(key))
        except WrongShapeError:
            found = 0
        if found == 0:
            raise WrongShapeError(f"{key} is missing or isn't an id")
        return found

    def number(self, key: str) -> int | None:
        """Return a number of 0 or more, or None if there is none."""
        return number(self._raw[key]) if self.has(key) else None

    def flag(self, key: str) -> bool | None:
        """Return True or False, or None if there is no value."""
        value = self._raw.get(key)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if self.has(key) and not isinstance(value, bool):
            raise WrongShapeError(f"{key} isn't true or false")
        return value if isinstance(value, bool) else None

    def each(self, key: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """Return the entries of a list, each converted by `read`."""
        return tuple(rows(self._raw.get(key), read))

    def inner(self, key: str) -> "Row":
        """Return a nested object, empty if there is none."""
        return Row(self._raw.get(key) or {})

    def items(self) -> Iterable[tuple[str, object]]:
        """Return all names and values."""
        return ((plain(name, "a name"), value) for name, value in self._raw.items())

    def day(self, key: str) -> date | None:
        """Return a date, converted to UTC if it has a time zone; None if missing or unreadable."""
        found = moment(self.text(key))
        return found.date() if found else None

    def moment(self, key: str) -> datetime | None:
        """Return a time in UTC, which is assumed if there is no time zone; None if missing or unreadable."""
        return moment(self.text(key))


def rows(raw: object, read: Callable[[object], T]) -> list[T]:
    """Return the rows of a list, each converted by `read`; null and "" are an empty list."""
    if raw is None or raw == "":
        return []
    if not isinstance(raw, list):
        raise WrongShapeError(f"a list was expected, not {type(raw).__name__}")
    return [read(one) for one in raw]


def number(value: object) -> int:
    """Return a number of 0 or more, which may be sent as digits in a text. Raises WrongShapeError."""
    # The length is limited before int(), which raises ValueError for thousands of digits.
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 20 else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise WrongShapeError("a number was expected")
    return value


def plain(value: object, what: str) -> str:
    """Return a text without characters that a database would reject; `what` names it in errors."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongShapeError(f"{what} isn't a text")
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise WrongShapeError(f"{what} is too large")
    # Lone surrogates and NUL are legal in JSON, but can't be stored in Postgres.
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def texts(raw: object) -> tuple[str, ...]:
    """Return the entries of a list, or the parts of one text with commas or semicolons, without empty ones."""
    if isinstance(raw, str):
        raw = raw.replace(";", ",").split(",")
    if raw is not None and not isinstance(raw, list):
        raise WrongShapeError("a list of texts was expected")
    stripped = (plain(part, "a list's entry").strip() for part in raw or ())
    return tuple(part for part in stripped if part)


def serial(text: str) -> str | None:
    """Normalise a serial number for comparison: details have `0A:BC`, reports `ABC`; both become `abc`."""
    bare = "".join(text.replace(":", " ").split()).lower()
    return (bare.lstrip("0") or "0") if bare else None


def moment(text: str) -> datetime | None:
    """Read a date or time as `MM/dd/yyyy` (SCM's default) or ISO, and return it in UTC.

    Returns None if it is unreadable, so that no poll fails because of it: these dates are informative, and the
    X.509 certificate has the exact ones.
    """
    text = text.strip()
    try:
        if "/" in text:
            return datetime.strptime(text[:10], "%m/%d/%Y").replace(tzinfo=UTC)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
