"""Sections of the page of one thing: facts, tables and notes, which `thing.html` shows one below the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar, TypeVar

from certline.board.web.cells import Cell, Code, Link, Moment, Name
from certline.board.web.column import Fact, TableColumn
from certline.board.web.commands import Suggestion
from certline.board.web.page import View

Shown = TypeVar("Shown")


@dataclass(frozen=True)
class FactList:
    """Facts; those without a value are left out."""

    facts: Sequence[tuple[str, Cell]]
    head: str = ""
    kind: ClassVar[str] = "facts"

    @property
    def known(self) -> list[Fact]:
        """The facts that have a value."""
        return [Fact(label, value) for label, value in self.facts if _has_value(value)]


@dataclass(frozen=True)
class Grid:
    """A table. `empty`: what is said if it has no rows; `more_url`: where there are more of them."""

    head: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str
    more_url: str | None = None
    more: str = "All of them"
    begin: Sequence[Suggestion] = ()
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Remark:
    """A sentence about the thing. `urgent`: somebody should act."""

    text: str
    urgent: bool = False
    kind: ClassVar[str] = "remark"


@dataclass(frozen=True)
class Counting:
    """Numbers that are still being counted; the page loads itself again until they are there."""

    head: str
    kind: ClassVar[str] = "counting"


def grid_of(
    head: str,
    columns: Sequence[TableColumn[Shown]],
    documents: Sequence[Shown],
    *,
    empty: str,
    more_url: str | None = None,
    more: str = "All of them",
    begin: Sequence[Suggestion] = (),
) -> Grid:
    """Return the table of documents with the columns that their list has."""
    rows = [[column.cell(each) for column in columns] for each in documents]
    return Grid(head, [column.head for column in columns], rows, empty, more_url, more, begin)


Section = FactList | Grid | Remark | Counting


def thing(
    title: str,
    noun: str,
    sections: Sequence[Section],
    document: Any,
    *,
    commands: Sequence[Suggestion] = (),
    above: Sequence[Link] = (),
    synced_at: datetime | None = None,
    follow: bool = False,
) -> View:
    """Return the view of one thing. `noun`: what it is; `synced_at`: when it was last read from SCM.

    `follow`: the page shows by itself what has changed since, every few seconds.
    """
    values = {
        "noun": noun,
        "sections": sections,
        "commands": commands,
        "above": above,
        "synced_at": synced_at,
        "follow": follow,
    }
    return View(title, "thing.html", values, document)


def shown(value: object, url: str | None = None) -> Cell:
    """Return the cell of a value from outside; a list of words becomes one text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | date):
        return Moment(value)
    if isinstance(value, int | float):
        return value if url is None else Link(f"{value:,}", url)
    if isinstance(value, list | tuple):
        return Name(", ".join(map(str, value)) or None, url)
    return Name(str(value), url)


def fields(values: dict[str, Any]) -> list[list[Cell]]:
    """Return the rows of a table with the fields of a JSON object; empty ones are left out."""
    return [
        [Name(name), _field(value)]
        for name, value in values.items()
        if value not in (None, "", [], {})
    ]


def _field(value: object) -> Cell:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # most are ids, which nobody reads in groups of three digits
    is_plain = not isinstance(value, dict | list)
    if is_plain or (isinstance(value, list) and all(isinstance(each, str | int) for each in value)):
        return shown(value)
    return Code(json.dumps(value, ensure_ascii=False, indent=1))


def _has_value(value: Cell) -> bool:
    text = getattr(value, "text", getattr(value, "word", getattr(value, "at", value)))
    return text not in (None, "")
