"""Output of commands: one JSON document for programs, or lines and tables for users."""

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from textwrap import indent
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from certline.cli.streams import shows
from certline.cli.ui.grammar import JSON
from certline.cli.ui.layout import fitted, joined, natural, one_line, pairs_of, rows_of
from certline.models.documents.projection import Document
from certline.models.documents.spreadsheet import cell
from certline.workers.process.visible import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

# Variables by which rich takes any output for a terminal.
FORCED = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
# Width in characters if the output is not a terminal.
WIDTH = 100


def as_json() -> bool:
    """Return True if this call was given --json."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(JSON))


def answer(document: object, people: Callable[[], object]) -> None:
    """Print a command's result: `document` as JSON, or whatever `people` prints."""
    if as_json():
        click.echo(json_text(document))
    else:
        people()


def json_text(document: object) -> str:
    """Return a document as JSON; with every other character escaped if standard output can show ASCII only."""
    text = visible_json(json.dumps(document, indent=2, ensure_ascii=False, default=_plain))
    return text if shows(text) else json.dumps(document, indent=2, default=_plain)


def _plain(value: object) -> dict[str, Any]:
    """Return the JSON of a document, wherever in the result it is."""
    if isinstance(value, Document):
        return value.as_dict()
    raise TypeError(f"{type(value).__name__} is not a document")


def write_json(documents: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """Write one JSON array row by row, so that memory does not grow with the list. Returns the last row."""
    last = None
    for each in documents:
        sys.stdout.write("[\n" if last is None else ",\n")
        sys.stdout.write(indent(json_text(each), "  "))
        last = each
    sys.stdout.write("[]\n" if last is None else "\n]\n")
    return last


def write_csv(documents: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """Write a header and one line per row, or nothing if there are no rows. Returns the last row.

    A text that a spreadsheet would run as a formula begins with an apostrophe.
    """
    last = next(documents, None)
    if last is None:
        return None
    writer = csv.DictWriter(sys.stdout, list(last), lineterminator="\n")
    writer.writeheader()
    for each in chain([last], documents):
        writer.writerow({name: _cell(value) for name, value in each.items()})
        last = each
    return last


def _cell(value: object) -> object:
    """Return a value fit for a spreadsheet and, if the output is one, for a terminal; numbers stay numbers."""
    found = cell(value)
    return visible(found) if isinstance(found, str) and sys.stdout.isatty() else found


def say(text: str) -> None:
    """Print a line of the result for users; with --json it goes to standard error."""
    click.echo(visible(text), err=as_json())


def whisper(text: str) -> None:
    """Print a line on standard error: progress, a warning or the next step."""
    click.echo(visible(text), err=True)


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(code)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a table for users; without rows print `empty`, which says what to do next.

    On a terminal, cells are wrapped at blanks; if that is not enough, each row is printed as named values.
    Elsewhere every row is one line, whole.
    """
    if not rows:
        say(empty)
        return
    heads = [column.upper() for column in columns]
    print_table(heads, [[one_line(shown(cell)) for cell in row] for row in rows])


def print_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a table of texts (see `table`)."""
    screen = console()
    if not screen.is_terminal:
        widths = natural([heads, *lines])
        screen.file.writelines(joined(line, widths) + "\n" for line in (heads, *lines))
        return
    fit = fitted([heads, *lines], screen.width)
    if fit is None:
        print_cards(screen, heads, lines)
        return
    for number, line in enumerate((heads, *lines)):
        for text in rows_of(line, fit):
            screen.print(text, style="" if number else "bold", soft_wrap=True)


def print_cards(screen: "Console", heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print each row of a table that is too wide as named values, with an empty line between two rows."""
    for number, line in enumerate(lines):
        if number:
            screen.print()
        pairs = [(head.lower(), cell) for head, cell in zip(heads, line, strict=True)]
        for text in pairs_of(pairs, screen.width):
            screen.print(text, soft_wrap=True)


def facts(pairs: Mapping[str, object]) -> None:
    """Print named values for users, one per line."""
    screen = console()
    room = screen.width if screen.is_terminal else None
    named = [(visible(name), shown(value)) for name, value in pairs.items()]
    for text in pairs_of(named, room):
        screen.file.write(text + "\n")


def shown(value: object) -> str:
    """Format a value for a table cell, safe on a terminal."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return visible(", ".join(map(str, value)))
    return visible(str(value))


def console(*, err: bool = False) -> "Console":
    """Return a rich console for standard output (standard error with `err` or --json).

    Markup is off, because texts from outside could contain it; so could control characters, which it shows.
    """
    stream: Any = sys.stderr if err or as_json() else sys.stdout
    if stream.isatty() or any(name in os.environ for name in FORCED):
        return _screen(stream)
    return cast("Console", Plain(stream))


class Plain:
    """Output that is no terminal: it takes lines as they are, and loads rich only for what has to be laid out."""

    is_terminal = False
    width = WIDTH

    def __init__(self, file: Any) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of a rich console for the same output."""
        return getattr(_screen(self.file), name)


def _screen(stream: Any) -> "Console":
    from certline.cli.ui.screen import Screen  # rich takes 40 ms

    # Width matters on a terminal only: elsewhere nothing is wrapped.
    width = None if stream.isatty() else WIDTH
    return Screen(file=stream, width=width, markup=False, highlight=False, emoji=False)
