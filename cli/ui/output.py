"""Output of commands: one JSON document for programs, or lines and tables for users."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from certline.cli.streams import shows
from certline.cli.ui.grammar import JSON
from certline.cli.ui.projection import Document

if TYPE_CHECKING:
    from rich.console import Console

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
    text = json.dumps(document, indent=2, ensure_ascii=False, default=_plain)
    return text if shows(text) else json.dumps(document, indent=2, default=_plain)


def _plain(value: object) -> dict[str, Any]:
    """Return the JSON of a document, wherever in the result it is."""
    if isinstance(value, Document):
        return value.as_dict()
    raise TypeError(f"{type(value).__name__} is not a document")


def say(text: str) -> None:
    """Print a line of the result for users; with --json it goes to standard error."""
    click.echo(text, err=as_json())


def whisper(text: str) -> None:
    """Print a line on standard error: progress, a warning or the next step."""
    click.echo(text, err=True)


def leave(code: int) -> NoReturn:
    """End the command with an exit code."""
    click.get_current_context().exit(code)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a table for users; without rows print `empty`, which says what to do next."""
    if not rows:
        say(empty)
        return
    from rich.table import Table  # noqa: PLC0415  # takes 40 ms, which JSON output saves

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column.upper(), overflow="fold")
    for row in rows:
        grid.add_row(*(shown(cell) for cell in row))
    console().print(grid)


def facts(pairs: Mapping[str, object]) -> None:
    """Print named values for users, one per line."""
    from rich.table import Table  # noqa: PLC0415  # as above

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, shown(value))
    console().print(grid)


def shown(value: object) -> str:
    """Format a value for a table cell."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def console(*, err: bool = False) -> "Console":
    """Return a rich console for standard output (standard error with `err` or --json).

    Markup is off, because texts from outside could contain it.
    """
    from rich.console import Console  # noqa: PLC0415  # as above

    stream: Any = sys.stderr if err or as_json() else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
