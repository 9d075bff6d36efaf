"""Declarations of variables: what kind of value each has, its limits and its default."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class SecretText:
    """A text that is not shown by `repr` and `str`, such as in a log or a traceback."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_secret_value(self) -> str:
        """Return the text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Return True for the same text."""
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        """Return a number that is the same for the same text."""
        return hash(self._text)

    def __repr__(self) -> str:
        """Return asterisks in place of the text."""
        return "SecretText('***')"


@dataclass(frozen=True)
class Variable:
    """A variable: its default (a value, or a function that returns it), and how its text is read.

    `read` raises ValueError with what the value should be.
    """

    default: Any
    read: Callable[[Any], Any]

    def value(self, given: object) -> Any:
        """Return the value for a text of the environment, or for one that code gives. Raises ValueError."""
        return None if given is None and self.default is None else self.read(given)

    def usual(self) -> Any:
        """Return the default."""
        return self.default() if callable(self.default) else self.default


def number(
    default: float | None,
    *,
    kind: Callable[[Any], float] = float,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
) -> Any:
    """Declare a number within limits."""
    word = "a whole number" if kind is int else "a number"

    def read(given: Any) -> float:
        try:
            found = kind(given)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"should be {word}") from None
        if not math.isfinite(found):
            raise ValueError("should be a finite number")
        if found < least:
            raise ValueError(f"should be at least {least:,}")
        if found <= above:
            raise ValueError(f"should be more than {above:,}")
        if found > most:
            raise ValueError(f"should be at most {most:,}")
        return found

    return Variable(default, read)


def whole(default: int | None, *, least: int, most: int) -> Any:
    """Declare a whole number within limits."""
    return number(default, kind=int, least=least, most=most)


def seconds(default: float) -> Any:
    """Declare a time-out in seconds."""
    return number(default, above=0, most=3600)


def text(default: str | None = None, *, most: int = 1_000, pattern: str = "(?s).*") -> Any:
    """Declare a text of at most so many characters that matches a pattern."""

    def read(given: Any) -> str:
        if len(given) > most:
            raise ValueError(f"should have at most {most} characters")
        if re.fullmatch(pattern, given) is None:
            raise ValueError(f"should match {pattern}")
        return str(given)

    return Variable(default, read)


def choice(*words: str, default: str | None) -> Any:
    """Declare one of some words."""

    def read(given: Any) -> str:
        if given not in words:
            raise ValueError(f"should be one of: {', '.join(words)}")
        return str(given)

    return Variable(default, read)


def secret(check: Callable[[str], str] = str) -> Any:
    """Declare a secret text. `check` returns it as it is kept. Raises ValueError."""

    def read(given: Any) -> SecretText:
        return SecretText(check(given if isinstance(given, str) else given.get_secret_value()))

    return Variable(None, read)


def path(default: Callable[[], Path] | None = None) -> Any:
    """Declare the path of a file or folder."""
    return Variable(default, Path)
