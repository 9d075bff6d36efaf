"""A JSON answer, read piece by piece: lenient about what is missing, strict about what is an id."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import TypeVar

T = TypeVar("T")

# The largest number a 64-bit column holds; SCM's ids are 32-bit, its order numbers 64-bit.
LARGEST = 2**63 - 1


class WrongShapeError(Exception):
    """The answer isn't built as documented; the text says where."""


class Row:
    """A JSON object. Absent, null and "" are alike. Raises WrongShapeError for anything else."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise WrongShapeError(f"an object was expected, not {type(raw).__name__}")
        self._raw: dict[str, object] = raw

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self._raw.get(key) not in (None, "")

    def text(self, key: str) -> str:
        """A text; a number is one too."""
        return plain(self._raw.get(key), key)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, or one text with commas or semicolons."""
        return texts(self._raw.get(key))

    def id(self, key: str) -> int:
        """A number above 0, which must be there."""
        try:
            found = number(self._raw.get(key))
        except WrongShapeError:
            found = 0
        if found == 0:
            raise WrongShapeError(f"{key} is missing or isn't an id")
        return found

    def number(self, key: str) -> int | None:
        """A number from 0 up, if there is one."""
        return number(self._raw[key]) if self.has(key) else None

    def flag(self, key: str) -> bool | None:
        """True or false, if it says so."""
        value = self._raw.get(key)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if self.has(key) and not isinstance(value, bool):
            raise WrongShapeError(f"{key} isn't true or false")
        return value if isinstance(value, bool) else None

    def each(self, key: str, read: Callable[[object], T]) -> tuple[T, ...]:
        """The entries of a list, each read."""
        return tuple(rows(self._raw.get(key), read))

    def inner(self, key: str) -> "Row":
        """The object inside; an empty one where there is none."""
        return Row(self._raw.get(key) or {})

    def items(self) -> Iterable[tuple[str, object]]:
        """All names and values."""
        return ((plain(name, "a name"), value) for name, value in self._raw.items())

    def day(self, key: str) -> date | None:
        """A day, in UTC where a zone is named."""
        found = moment(self.text(key))
        return found.date() if found else None

    def moment(self, key: str) -> datetime | None:
        """A moment; UTC where no zone is named."""
        return moment(self.text(key))


def rows(raw: object, read: Callable[[object], T]) -> list[T]:
    """A list answer, each row read; null is an empty list."""
    if raw is None or raw == "":
        return []
    if not isinstance(raw, list):
        raise WrongShapeError(f"a list was expected, not {type(raw).__name__}")
    return [read(one) for one in raw]


def number(value: object) -> int:
    """A number from 0 up, or its digits."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 20 else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise WrongShapeError("a number was expected")
    return value


def plain(value: object, what: str) -> str:
    """A text that any database takes."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongShapeError(f"{what} isn't a text")
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        raise WrongShapeError(f"{what} is too large")
    # A lone surrogate or a NUL is legal in JSON, and no database takes it.
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def texts(raw: object) -> tuple[str, ...]:
    """A list of texts, or one text with commas or semicolons; blanks are dropped."""
    if isinstance(raw, str):
        raw = raw.replace(";", ",").split(",")
    if raw is not None and not isinstance(raw, list):
        raise WrongShapeError("a list of texts was expected")
    stripped = (plain(part, "a list's entry").strip() for part in raw or ())
    return tuple(part for part in stripped if part)


def serial(text: str) -> str | None:
    """A serial number to compare by: details write `0A:BC`, reports `ABC`; both are `abc`."""
    bare = "".join(text.replace(":", " ").split()).lower()
    return (bare.lstrip("0") or "0") if bare else None


def moment(text: str) -> datetime | None:
    """`MM/dd/yyyy` (SCM's default) or ISO, in UTC. An unreadable one is None: these dates are for
    people, and no poll may die of one; X.509 has the true ones.
    """
    text = text.strip()
    try:
        if "/" in text:
            return datetime.strptime(text[:10], "%m/%d/%Y").replace(tzinfo=UTC)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
