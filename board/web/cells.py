"""Cells: the values that tables and lists of facts show. A template's macro draws each kind in one way.

A `str` is a text of ours or from outside, an `int` a number; `None` is shown as a dash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

GOOD, WAITS, TROUBLE, QUIET = "good", "waits", "trouble", "quiet"
# An icon and a word for each tone: colour alone carries no meaning.
ICONS = {GOOD: "✓", WAITS: "…", TROUBLE: "!", QUIET: "·"}
TONES = {
    GOOD: "active stored done available on validated running renewed sent completed enabled approved",
    WAITS: "placed sending pending issued queued held waiting requested not-validated expires open paused due",
    TROUBLE: "review rejected failed suspended expired revoked stale refused off gone broken parked disabled",
}
TONE_OF = {word: tone for tone, words in TONES.items() for word in words.split()}


@dataclass(frozen=True)
class Name:
    """Name from outside, isolated from the text around it and cut if it is long; `url`: where it leads."""

    text: str | None
    url: str | None = None
    kind: ClassVar[str] = "name"


@dataclass(frozen=True)
class Badge:
    """Status: a word with its icon and colour. `tone`: GOOD, WAITS, TROUBLE or QUIET; by the word if not given."""

    word: str | None
    tone: str | None = None
    kind: ClassVar[str] = "badge"

    @property
    def style(self) -> str:
        """The tone, which is also the class of the style sheet."""
        return self.tone or TONE_OF.get((self.word or "").lower().replace(" ", "-"), QUIET)

    @property
    def icon(self) -> str:
        """The character in front of the word."""
        return ICONS[self.style]


@dataclass(frozen=True)
class Moment:
    """Time or day; `far`: also how far away it is."""

    at: datetime | date | None
    far: bool = False
    kind: ClassVar[str] = "moment"


@dataclass(frozen=True)
class Code:
    """Id, serial number or other text to copy, in a fixed width; `url`: where it leads."""

    text: str | None
    url: str | None = None
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Link:
    """Words of ours that lead to another page."""

    text: str
    url: str
    kind: ClassVar[str] = "link"


@dataclass(frozen=True)
class Several:
    """Several cells in one, as names of a certificate."""

    cells: Sequence[Cell]
    kind: ClassVar[str] = "several"


Cell = Name | Badge | Moment | Code | Link | Several | str | int | float | None
