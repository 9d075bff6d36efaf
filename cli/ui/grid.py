"""Tables that fit the terminal: the least important columns are dropped first, then long names are cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from certline.cli.ui.layout import GAP, cut, joined, natural, one_line, width_of
from certline.cli.ui.output import console, print_cards, shown

if TYPE_CHECKING:
    from rich.console import Console

Row = TypeVar("Row")

# No value is cut below SHORTEST characters, nor below READABLE while a column can still be dropped.
SHORTEST, READABLE = 16, 36

# The meaning of a state, whatever it is the state of: in order, in progress, needs attention, past.
GOOD, WAITS, TROUBLE, PAST = "green", "yellow", "red", "dim"
MEANINGS = {
    GOOD: "active alive available done on replayed stored validated",
    WAITS: "awaitingme held issued pending placed queued requested running sending waiting",
    TROUBLE: "expired failed notvalidated off rejected review revoked suspended",
    PAST: "cancelled dropped gone removed superseded",
}
STYLES = {word: style for style, words in MEANINGS.items() for word in words.split()}
# An expiry nearer than this needs attention (red), or is coming up (yellow).
URGENT, SOON = timedelta(days=7), timedelta(days=30)


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: its head, and the value that it shows of a row.

    A column of rank 0 is always shown; of the others the highest rank is dropped first. `may_be_cut`: a
    long value is shortened in its middle if the terminal is too narrow. `short`: the value for a terminal on
    which not everything fits.
    """

    head: str
    value: Callable[[Row], object]
    rank: int = 0
    may_be_cut: bool = False
    style: Callable[[Row], str] = lambda _row: ""
    short: Callable[[Row], object] | None = None


@dataclass(frozen=True)
class Fit:
    """The columns that are shown, by index, and the width of each in characters."""

    places: tuple[int, ...]
    widths: tuple[int, ...]


def fit(widths: Sequence[int], ranks: Sequence[int], may_be_cut: Sequence[bool], room: int) -> Fit:
    """Choose columns and widths for a terminal `room` characters wide.

    Long values are first cut to a readable length, then columns are dropped, then values are cut further.
    Space that is left over goes back to the columns that were cut.
    """
    places = list(range(len(widths)))
    found = list(widths)

    # Both helpers read `places` and `found`, which change as columns are dropped and cut.
    def excess() -> int:
        return sum(found[place] for place in places) + GAP * (len(places) - 1) - room

    def shorten(shortest: int) -> None:
        while excess() > 0:
            long = [place for place in places if may_be_cut[place] and found[place] > shortest]
            if not long:
                return
            # Always cut the widest column, so that several long ones lose evenly.
            longest = max(long, key=lambda place: found[place])
            found[longest] = max(shortest, found[longest] - excess())

    shorten(READABLE)
    while excess() > 0 and any(ranks[place] for place in places):
        places.remove(max(places, key=lambda place: (ranks[place], place)))
    shorten(SHORTEST)
    for place in places:
        found[place] = min(widths[place], found[place] + max(0, -excess()))
    return Fit(tuple(places), tuple(found[place] for place in places))


def style_of(state: object) -> str:
    """Return the colour for a state, by its meaning; SCM's words match in any case, with or without spaces."""
    word = "".join(str(state or "").split()).replace("_", "").replace("-", "").lower()
    return STYLES.get(word, "")


def style_of_end(end: datetime | date | None) -> str:
    """Return the colour for an expiry time: red if urgent, yellow if soon."""
    if end is None:
        return ""
    if not isinstance(end, datetime):
        end = datetime(end.year, end.month, end.day, tzinfo=UTC)
    left = end - datetime.now(UTC)
    return TROUBLE if left < URGENT else WAITS if left < SOON else ""


def print_grid(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> None:
    """Print rows as a table. If the output is not a terminal, nothing is dropped, cut or coloured."""
    heads = [column.head.upper() for column in columns]
    lines = [[_text(column.value(row)) for column in columns] for row in rows]
    widths = natural([heads, *lines])
    screen = console()
    if not screen.is_terminal:
        screen.file.writelines(joined(line, widths) + "\n" for line in (heads, *lines))
        return
    if _too_wide(columns, widths, screen.width):
        lines = [[_text((column.short or column.value)(row)) for column in columns] for row in rows]
        widths = natural([heads, *lines])
    ranks = [column.rank for column in columns]
    fitted = fit(widths, ranks, [column.may_be_cut for column in columns], screen.width)
    if sum(fitted.widths) + GAP * (len(fitted.widths) - 1) > screen.width:
        print_cards(screen, heads, lines)
        return
    _draw(screen, columns, rows, [heads, *lines], fitted)


def _too_wide(columns: Sequence[Column[Row]], widths: Sequence[int], room: int) -> bool:
    """Return True if values would have to be cut below a readable length, or columns to be dropped."""
    least = (
        min(width, READABLE) if column.may_be_cut else width
        for column, width in zip(columns, widths, strict=True)
    )
    return sum(least) + GAP * (len(widths) - 1) > room


def _draw(
    screen: "Console",
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    lines: Sequence[Sequence[str]],
    fitted: Fit,
) -> None:
    from rich.text import Text  # takes 40 ms, which plain output saves

    for number, line in enumerate(lines):
        text = Text()
        for place, width in zip(fitted.places, fitted.widths, strict=True):
            cell = cut(line[place], width)
            style = columns[place].style(rows[number - 1]) if number else "bold"
            is_last = place == fitted.places[-1]
            text.append(cell, style)
            text.append("" if is_last else " " * (width - width_of(cell) + GAP))
        screen.print(text, soft_wrap=True)


def _text(value: object) -> str:
    return one_line(shown(value))
