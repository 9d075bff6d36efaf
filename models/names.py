"""Comparison of names as people mean them: of organisations, departments, profiles and custom fields.

Two texts that look alike may differ in their code points: an umlaut as one character or as two (NFC, NFD), a
blank at the end, a no-break space, an invisible mark. SCM's names come from forms and spreadsheets.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")

# Unicode's category of invisible characters: soft hyphen, zero-width space, marks of direction, BOM.
INVISIBLE = "Cf"


def spelled(text: str) -> str:
    """Return a name in NFC, with single blanks, none at its ends, and without invisible characters."""
    seen = "".join(mark for mark in text if unicodedata.category(mark) != INVISIBLE)
    return unicodedata.normalize("NFC", " ".join(seen.split()))


def folded(text: str) -> str:
    """Return a name in the form in which names are compared: `spelled`, without case."""
    return unicodedata.normalize("NFC", spelled(text).casefold())


def called(text: str, those: Iterable[T], name: Callable[[T], str]) -> list[T]:
    """Return those that have a name: as it is written, else `spelled` alike, else `folded` alike."""
    those = list(those)
    forms: Sequence[Callable[[str], str]] = (str, spelled, folded)
    for form in forms:
        wanted = form(text)
        if found := [each for each in those if form(name(each)) == wanted]:
            return found
    return []


def similar(text: str, names: Iterable[str], cutoff: float) -> list[str]:
    """Return up to three names that resemble a text, the closest first. `cutoff`: from 0 (any) to 1 (equal)."""
    known = {folded(name): spelled(name) for name in names}
    return [known[name] for name in get_close_matches(folded(text), known, n=3, cutoff=cutoff)]
