"""Shared code of the list commands: options, paging, and output as JSON, CSV or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from certline.cli import context
from certline.cli.errors import WRONG_USE, Fault
from certline.cli.parameters.number import Whole
from certline.cli.ui.grid import Column, print_grid
from certline.cli.ui.lookup import close_names, find_account
from certline.cli.ui.output import as_json, say, whisper, write_csv, write_json
from certline.models.documents.projection import Document

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from certline.models.database.base import Base

Row = TypeVar("Row")
Kept = TypeVar("Kept", bound="Base")
Shown = TypeVar("Shown", bound=Document)

# Rows in a table without --limit. JSON and CSV have all rows.
SCREENFUL = 100
# Rows that are counted for a total, at most.
MOST_COUNTED = 10_000
# Rows of one query, at most.
PIECE = 1_000


@dataclass(frozen=True)
class ListView:
    """The options that every list has: sorting, size, page and format."""

    sort: str
    reverse: bool
    limit: int | None
    as_csv: bool
    has_pages: bool
    after: str | None = None

    @property
    def for_people(self) -> bool:
        """True if the output is a table for users, not JSON or CSV."""
        return not (self.as_csv or as_json())


def view_options(*sorts: str, paged: bool = True) -> Callable[[Callable[..., Any]], Any]:
    """Add the options --sort, --reverse, --limit, --after and --csv, which the command receives as one
    `view`.
    """
    options = [
        click.option(
            "--sort",
            type=click.Choice(sorts),
            default=sorts[0],
            show_default=True,
            help="The sort key.",
        ),
        click.option("--reverse", is_flag=True, help="Reverse the sort order."),
        click.option(
            "--limit",
            type=Whole(1),
            metavar="N",
            help=f"At most this many rows; default {SCREENFUL}, with --json or --csv all rows.",
        ),
        click.option(
            "--csv",
            "as_csv",
            is_flag=True,
            help="Print CSV, with the keys of the JSON document as header.",
        ),
    ]
    if paged:
        after = click.option(
            "--after", metavar="ID", help="The next page: the rows after the row with this id."
        )
        options.insert(3, after)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_view(
            *, sort: str, reverse: bool, limit: int | None, as_csv: bool, **given: Any
        ) -> None:
            if as_csv and as_json():
                raise click.UsageError("--csv and --json do not go together")
            view = ListView(sort, reverse, limit, as_csv, paged, given.pop("after", None))
            command(view=view, **given)

        decorated: Callable[..., Any] = with_view
        # Decorators apply from the inside out; reversed, the help page lists the options in this order.
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def status_option(states: Iterable[str]) -> Callable[..., Any]:
    """Return the option --status, with the given states as its choices."""
    return click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice(list(states)),
        help="Only rows with this status; repeatable.",
    )


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --account, --organization, --profile and --name to a command."""
    for option in (
        click.option(
            "--name", metavar="PATTERN", help="Only names that match; * stands for any characters."
        ),
        click.option("--profile", metavar="ID|NAME", help="Only with this certificate profile."),
        click.option(
            "--organization", metavar="ID|NAME", help="Only of this organisation or department."
        ),
        click.option("--account", metavar="NAME", help="Only of this account."),
    ):
        command = option(command)
    return command


def places(
    db: Session, *, account: str | None, organization: str | None, profile: str | None
) -> dict[str, Any]:
    """Return the fields of a Narrowing that these options select. Raises Fault for unknown names."""
    account_id = None if account is None else find_account(db, account, removed=True).id
    found: dict[str, Any] = {"account_id": account_id}
    if organization is not None:
        found["organizations"] = _ids_of(db, "organization", organization, account_id)
    if profile is not None:
        found["profiles"] = _ids_of(db, "profile", profile, account_id)
    return found


def _ids_of(
    db: Session, noun: Literal["organization", "profile"], name: str, account_id: int | None
) -> list[int]:
    from certline.models import Organization, Profile
    from certline.models.listing import ids_named

    table: type[Organization] | type[Profile] = Organization if noun == "organization" else Profile
    found = ids_named(db, table, name, account_id)
    if not found:
        raise Fault(
            f"{noun} {name!r} is not known{close_names(db, table.name, name)}",
            code=WRONG_USE,
            hint=f"To list them: certline {noun} list",
        )
    return found


def with_account(columns: list[Column[Any]], names: Mapping[int, str]) -> list[Column[Any]]:
    """Return a list's columns, with the account as the third one if there are several accounts."""
    if len(names) < 2:
        return columns
    account = Column[Any]("account", lambda row: names[row.account_id], rank=1, may_be_cut=True)
    return [*columns[:2], account, *columns[2:]]


def days(option: str, text: str) -> Callable[..., Any]:
    """Return an option that takes a number of days; the command receives a timedelta."""

    def read(_context: click.Context, _option: click.Parameter, given: int | None) -> object:
        return None if given is None else timedelta(days=given)

    limits = Whole(0, 36_500)
    return click.option(option, type=limits, metavar="DAYS", callback=read, help=text)


def show_pages(
    question: Select[Kept],
    view: ListView,
    *,
    find: Callable[[Session, str], Kept],
    document: Callable[[Kept], Shown],
    columns: Sequence[Column[Shown]],
    empty: str,
    fill: Callable[[Session, Sequence[Kept]], None] | None = None,
) -> None:
    """Print a list that is read page by page.

    `find` loads the row that --after names; `fill` completes the rows of a page. Raises Fault if
    there is no such row.
    """
    from certline.models.listing import SORTINGS, count, page

    table: type[Kept] = question.column_descriptions[0]["entity"]
    sorting = SORTINGS[table.__tablename__][view.sort]
    sorting = sorting.reversed() if view.reverse else sorting

    # One short transaction per page: a slow reader of the output holds none open.
    def read(after: Kept | None, limit: int) -> list[Kept]:
        with context.database().transaction() as db:
            found = page(db, question, sorting, after=after, limit=limit)
            if fill is not None:
                fill(db, found)
            return found

    first = None
    if view.after is not None:
        with context.database().transaction() as db:
            first = find(db, view.after)

    def total() -> int:
        with context.database().transaction() as db:
            return count(db, question, most=MOST_COUNTED)

    show_rows(
        _rows(read, first, _wanted(view)),
        view,
        document=document,
        columns=columns,
        empty=empty,
        total=total,
    )


def show_rows(
    rows: Iterator[Row],
    view: ListView,
    *,
    document: Callable[[Row], Shown],
    columns: Sequence[Column[Shown]],
    empty: str,
    total: Callable[[], int],
) -> None:
    """Print a list whose rows arrive one by one: JSON and CSV as they arrive, a table at the end.

    `document` makes the projection of a row; its values are those of the columns. `total` counts the rows
    of all pages, and is called only for a table that does not show all of them.
    """
    wanted = _wanted(view)
    found: list[Shown] = []
    counted = map(document, rows if wanted is None else islice(rows, wanted))
    if view.as_csv:
        last = write_csv(each.as_dict() for each in counted)
    elif as_json():
        last = write_json(each.as_dict() for each in counted)
    else:
        found = list(counted)
        last = found[-1].as_dict() if found else None
        if found:
            print_grid(columns, found)
        else:
            say(empty)
    # `rows` may hold one row more than wanted; if that row exists, there is a next page.
    if wanted is not None and last is not None and next(rows, None) is not None:
        _say_that_there_is_more(view, last, total)
    elif view.for_people and last is not None:
        _say_the_total(len(found), view, total)


def _rows(
    read: Callable[[Kept | None, int], list[Kept]], after: Kept | None, wanted: int | None
) -> Iterator[Kept]:
    """Yield row after row, read in pieces; one row more than wanted, which shows that there are more."""
    piece = PIECE if wanted is None else min(PIECE, wanted + 1)
    while True:
        found = read(after, piece)
        yield from found
        if len(found) < piece:
            return
        after = found[-1]


def _wanted(view: ListView) -> int | None:
    return SCREENFUL if view.limit is None and view.for_people else view.limit


def _say_that_there_is_more(view: ListView, last: dict[str, Any], total: Callable[[], int]) -> None:
    how = f"the next page: --after {last['id']}" if view.has_pages else "to see more: --limit N"
    of = f" of {_counted(total())}" if view.for_people else ""
    whisper(f"There are more than these {_wanted(view)} rows{of}; {how}")


def _say_the_total(shown: int, view: ListView, total: Callable[[], int]) -> None:
    # The last of several pages: the rows of the pages before it count, too.
    if view.after is None:
        whisper(f"{shown:,} in total")
    else:
        whisper(f"{shown:,} on this last page, {_counted(total())} in total")


def _counted(number: int) -> str:
    return f"{number:,}" if number < MOST_COUNTED else f"{MOST_COUNTED:,} or more"
