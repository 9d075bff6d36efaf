"""Columns of tables, and facts of one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from certline.board.web.cells import Cell

Row = TypeVar("Row")


@dataclass(frozen=True)
class TableColumn(Generic[Row]):
    """Column of a table. `sort`: the sorting that its head offers, if any; `minor`: not shown on a phone."""

    head: str
    cell: Callable[[Row], Cell]
    sort: str | None = None
    minor: bool = False


class Fact(NamedTuple):
    """Name and value of something that a page tells about one thing."""

    label: str
    value: Cell
