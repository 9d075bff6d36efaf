"""Tables that fit the terminal: what matters least is left out first, then long names are cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from certline.cli.ui.output import console, shown

if TYPE_CHECKING:
    from rich.console import Console

Row = TypeVar("Row")

GAP = 2
# A name isn't cut to fewer characters; and not to fewer than these, while a column can be left out.
SHORTEST, READABLE = 16, 36

# What a state means, whatever it is the state of: well, on its way, for somebody to look at, past.
GOOD, WAITS, TROUBLE, PAST = "green", "yellow", "red", "dim"
MEANINGS = {
    GOOD: "active alive done on replayed stored validated",
    WAITS: "awaitingme held issued pending placed queued requested running sending waiting",
    TROUBLE: "expired failed notvalidated off rejected review revoked suspended",
    PAST: "cancelled dropped gone removed superseded",
}
STYLES = {word: style for style, words in MEANINGS.items() for word in words.split()}
# An end that is nearer is for somebody to look at, or worth a glance.
URGENT, SOON = timedelta(days=7), timedelta(days=30)


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column: its head, and what it shows of a row.

    Of rank 0 it is always there; else the highest rank is left out first. `may_be_cut`: a long value
    is shortened in its middle, where the terminal has no room.
    """

    head: str
    value: Callable[[Row], object]
    rank: int = 0
    may_be_cut: bool = False
    style: Callable[[Row], str] = lambda _row: ""


@dataclass(frozen=True)
class Fit:
    """Which columns are shown, by their places, and how wide each of them is."""

    places: tuple[int, ...]
    widths: tuple[int, ...]


def fit(widths: Sequence[int], ranks: Sequence[int], may_be_cut: Sequence[bool], room: int) -> Fit:
    """What fits into so many characters: long values are cut to a readable length, then columns are
    left out, then values are cut further; what is left over goes to those that were cut.
    """
    places = list(range(len(widths)))
    found = list(widths)

    def excess() -> int:
        return sum(found[place] for place in places) + GAP * (len(places) - 1) - room

    def shorten(shortest: int) -> None:
        while excess() > 0:
            long = [place for place in places if may_be_cut[place] and found[place] > shortest]
            if not long:
                return
            longest = max(long, key=lambda place: found[place])
            found[longest] = max(shortest, found[longest] - excess())

    shorten(READABLE)
    while excess() > 0 and any(ranks[place] for place in places):
        places.remove(max(places, key=lambda place: (ranks[place], place)))
    shorten(SHORTEST)
    for place in places:
        found[place] = min(widths[place], found[place] + max(0, -excess()))
    return Fit(tuple(places), tuple(found[place] for place in places))


def cut(text: str, width: int) -> str:
    """A text in so many characters: its beginning and its end say most."""
    if len(text) <= width:
        return text
    begin = (width - 1) // 2
    return f"{text[:begin]}…{text[len(text) - (width - 1 - begin) :]}"


def style_of(state: object) -> str:
    """How a state is coloured, by what it means; SCM's words count whatever their case and gaps."""
    word = "".join(str(state or "").split()).replace("_", "").replace("-", "").lower()
    return STYLES.get(word, "")


def style_of_end(end: datetime | date | None) -> str:
    """How the end of something that is in force is coloured: red is urgent."""
    if end is None:
        return ""
    if not isinstance(end, datetime):
        end = datetime(end.year, end.month, end.day, tzinfo=UTC)
    left = end - datetime.now(UTC)
    return TROUBLE if left < URGENT else WAITS if left < SOON else ""


def print_grid(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> None:
    """Print rows as a table. Where the output is no terminal, nothing is left out, cut or coloured."""
    heads = [column.head.upper() for column in columns]
    lines = [[_one_line(shown(column.value(row))) for column in columns] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(heads, *lines, strict=True)]
    screen = console()
    if screen.is_terminal:
        _draw(screen, columns, rows, lines, widths)
        return
    for line in (heads, *lines):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        screen.file.write((" " * GAP).join(cells).rstrip() + "\n")


def _draw(
    screen: "Console",
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    lines: Sequence[Sequence[str]],
    widths: Sequence[int],
) -> None:
    from rich.table import Table  # noqa: PLC0415  # 40 ms that a file does not need
    from rich.text import Text  # noqa: PLC0415  # as above

    ranks = [column.rank for column in columns]
    fitted = fit(widths, ranks, [column.may_be_cut for column in columns], screen.width)
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for place in fitted.places:
        grid.add_column(columns[place].head.upper(), no_wrap=True)
    for row, line in zip(rows, lines, strict=True):
        grid.add_row(
            *(
                Text(cut(line[place], width), style=columns[place].style(row))
                for place, width in zip(fitted.places, fitted.widths, strict=True)
            )
        )
    screen.print(grid)


def _one_line(text: str) -> str:
    return " ".join(text.split())
