"""What is answered: a document for machines, or lines and tables for people."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from certline.cli.ui.grammar import JSON

if TYPE_CHECKING:
    from rich.console import Console

# Where the output is no terminal. Lists are made for this width.
WIDTH = 100


def as_json() -> bool:
    """Whether this call is answered in JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(JSON))


def answer(document: object, people: Callable[[], object]) -> None:
    """The answer of a command: one JSON document, or what `people` prints."""
    if as_json():
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        people()


def say(text: str) -> None:
    """A line for people: on standard output, unless JSON has it."""
    click.echo(text, err=as_json())


def whisper(text: str) -> None:
    """A line beside the answer: progress, a warning, what to do next."""
    click.echo(text, err=True)


def leave(code: int) -> NoReturn:
    """End the command with that exit code."""
    click.get_current_context().exit(code)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table for people; without rows, the sentence that says what to do."""
    if not rows:
        say(empty)
        return
    from rich.table import Table  # noqa: PLC0415  # 40 ms that JSON does not need

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(column.upper(), overflow="fold")
    for row in rows:
        grid.add_row(*(shown(cell) for cell in row))
    console().print(grid)


def facts(pairs: Mapping[str, object]) -> None:
    """Named values for people, one a line."""
    from rich.table import Table  # noqa: PLC0415  # as above

    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, shown(value))
    console().print(grid)


def shown(value: object) -> str:
    """A value in a table."""
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def console(*, err: bool = False) -> "Console":
    """Where rich prints; texts from outside are never read as markup."""
    from rich.console import Console  # noqa: PLC0415  # as above

    stream: Any = sys.stderr if err or as_json() else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)
