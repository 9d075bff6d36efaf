"""The error for a command that cannot be accepted, and pydantic's errors as sentences."""

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from pydantic import ValidationError

# The largest number that an integer column of Postgres stores.
MOST_INTEGER = 2**31 - 1
# Limits and defaults that the help pages name. Seconds that a deploy hook's command may take: less than the
# sweep's DEAD_AFTER, after which a running command counts as dead and is started again.
USUAL_TIMEOUT = 120
MOST_TIMEOUT = 600
# Revocations of one requester within a day that are no mass revocation.
USUAL_ABOVE = 10
# Days before the licence's end at which `license.expiring` is published; 0: it has ended.
LicenseThreshold: TypeAlias = Literal[30, 14, 7, 3, 1, 0]
# Days for which the key pair for sealing before a new one still opens.
OPENS_DAYS = 30
# Control characters that a text of several lines has.
LAYOUT = "\t\n\r"
SURROGATE = "bytes that are not UTF-8, or half of a surrogate pair"


class BadCommandError(Exception):
    """A command that cannot be accepted; `problems` has one line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def problems_of(error: "ValidationError") -> list[str]:
    """Return one sentence for each validation error, beginning with the field's name."""
    return [_sentence(dict(fault)) for fault in error.errors(include_url=False)]


def column_integer(text: str) -> int | None:
    """Return the number that a text of decimal digits stands for.

    Returns None for any other text, and if the number exceeds an integer column.
    """
    if not (text.isascii() and text.isdecimal()):
        return None
    # Leading zeros off and the length first, because int() refuses texts of thousands of digits.
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= 10 and int(digits) <= MOST_INTEGER else None


def unfit_character(text: str) -> str | None:
    """Return what a text contains that no text of ours may: NUL, half of a surrogate pair, a control character.

    Returns None for a text without any. Line ends and tabs are allowed.
    """
    # Printable ASCII, which is what nearly all texts consist of, needs no closer look.
    if text.isascii() and text.isprintable():
        return None
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            return SURROGATE
        if category == "Cc" and character not in LAYOUT:
            code = f"U+{ord(character):04X}"
            return "the character NUL" if character == "\0" else f"the control character {code}"
    return None


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts of a value: itself, or those in a list, tuple or dictionary, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts_in(name)
            yield from texts_in(each)


def _sentence(fault: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in fault["loc"]) or "the command"
    kind, given, limits = fault["type"], fault["input"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{field}: there is no such field"
    if kind == "missing":
        return f"{field}: is missing"
    if kind == "string_too_long":
        return f"{field}: has {len(given)} characters, at most {limits['max_length']} are allowed"
    if kind == "literal_error":
        return f"{field}: {_shown(given)} is not one of {limits['expected']}"
    if kind == "string_unicode":
        return f"{field}: contains {SURROGATE}"
    if kind == "dict_type":
        return f"{field}: should be an object"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}"


def _shown(given: object) -> str:
    """Return a value as an error quotes it: at most 100 characters."""
    try:
        text = repr(given)
    except ValueError:  # a number of more digits than Python writes
        return "this number"
    return text if len(text) <= 100 else f"{text[:100]}…"
