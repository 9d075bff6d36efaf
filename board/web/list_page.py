"""Lists: a table with filters, sorting and pages, all of them in the address."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from certline.board.context import BoardContext
from certline.board.web import filters, links
from certline.board.web.column import TableColumn
from certline.board.web.commands import Suggestion
from certline.board.web.export import (
    Representation,
    representation,
    streamed_csv,
    streamed_json,
)
from certline.board.web.filters import UrlFilter, Wanted, wanted_of
from certline.board.web.page_request import PageRequest
from certline.board.web.renderer import Renderer
from certline.models.documents.projection import Document

Row = TypeVar("Row")
Shown = TypeVar("Shown", bound=Document)

# Rows of a page, and of one query of an export.
PAGE, PIECE = 100, 1_000


@dataclass(frozen=True)
class Empty:
    """What a list says that has no rows: that there are none, and what to do first."""

    text: str
    commands: Sequence[Suggestion] = ()


@dataclass(frozen=True)
class Rows(Generic[Shown]):
    """Rows of a page as documents. `keys`: for each row, what `after` of the next page would be."""

    documents: Sequence[Shown]
    keys: Sequence[str]


@dataclass(frozen=True)
class ListPage(Generic[Shown]):
    """A list with an address of its own.

    `read` loads at most `limit` rows after the row that `after` names (a key of an earlier page), and raises
    UnknownThingError if that is gone. `export` does so for JSON and CSV, with what takes too long for a page;
    default: `read`. `count`: how many there are in all, or None if that would take long; it may
    stop at `most_counted`. `sorts`: sortings and their labels, the first is the default. `choices`: choices of
    filters that are read from the database, by the filter's name. `top`: further values for its own template.
    """

    path: str
    title: str
    columns: Sequence[TableColumn[Shown]]
    read: Callable[[Session, Wanted, str | None, int], Rows[Shown]]
    empty: Empty
    export: Callable[[Session, Wanted, str | None, int], Rows[Shown]] | None = None
    filters: Sequence[UrlFilter] = ()
    sorts: dict[str, str] = field(default_factory=dict)
    count: Callable[[Session, Wanted], int | None] = lambda _db, _wanted: None
    most_counted: int = 10_000
    choices: Callable[[Session], dict[str, list[tuple[str, str]]]] = lambda _db: {}
    top: Callable[[PageRequest, Wanted], dict[str, Any]] = lambda _asked, _wanted: {}
    commands: Callable[[Wanted], Sequence[Suggestion]] = lambda _wanted: ()
    template: str = "list.html"
    # Rows of a page.
    size: int = PAGE

    def route(self) -> Route:
        """Return the route that serves the list."""
        return Route(self.path, self.respond, name=self.path)

    def respond(self, request: Request) -> Response:
        """Return a page of the list, or all its rows as JSON or CSV."""
        format_ = representation(request.query_params)
        wanted = wanted_of(request.query_params, self.filters, list(self.sorts))
        board: BoardContext = request.app.state.board
        if format_ is Representation.HTML:
            with board.database.transaction() as db:
                values = self._values(PageRequest(request, db, board), wanted)
            renderer: Renderer = request.app.state.renderer
            return renderer.page(request, self.template, self.title, values)
        # The first piece is read before the response begins, so that a fault has its own page.
        rows = self._documents(board, wanted)
        first = next(rows, None)
        documents = (row.as_dict() for row in _with_first(first, rows))
        if format_ is Representation.JSON:
            return streamed_json(documents)
        return streamed_csv(documents, self.path.strip("/").replace("/", "-"))

    def _values(self, asked: PageRequest, wanted: Wanted) -> dict[str, Any]:
        found = self.read(asked.db, wanted, wanted.after, self.size + 1)
        shown = found.documents[: self.size]
        more = len(found.documents) > self.size
        has_total = more or wanted.after is not None
        return {
            "columns": self.columns,
            "rows": shown,
            "filters": self.filters,
            "choices": self.choices(asked.db),
            "wanted": wanted,
            "path": self.path,
            "sorts": self.sorts,
            "total": self.count(asked.db, wanted) if has_total else len(shown),
            "most_counted": self.most_counted,
            "next_url": self.url(wanted, after=found.keys[self.size - 1]) if more else None,
            "first_url": self.url(wanted) if wanted.after is not None else None,
            "formats": {each: self.url(wanted, format=each) for each in ("json", "csv")},
            "sort_url": lambda sort: self._sort_url(wanted, sort),
            "empty": self.empty,
            "commands": self.commands(wanted),
            **self.top(asked, wanted),
        }

    def url(self, wanted: Wanted, **changed: Any) -> str:
        """Return the address of this list with other parameters; without `after` its first page."""
        given = wanted.parameters(**changed)
        if self.sorts and given.get(filters.SORT) == next(iter(self.sorts)):
            del given[filters.SORT]  # the default
        return links.narrowed(self.path, **given)

    def _sort_url(self, wanted: Wanted, sort: str) -> str:
        again = sort == wanted.sort and not wanted.reverse
        return self.url(wanted, sort=sort, reverse="1" if again else None)

    def _documents(self, board: BoardContext, wanted: Wanted) -> Iterator[Shown]:
        """Yield all rows, read in pieces, each in a transaction of its own: a slow reader holds none open."""
        after, left, read = wanted.after, wanted.limit, self.export or self.read
        while left is None or left > 0:
            size = PIECE if left is None else min(PIECE, left)
            with board.database.transaction() as db:
                found = read(db, wanted, after, size)
            yield from found.documents
            if len(found.documents) < size:
                return
            after = found.keys[-1]
            left = None if left is None else left - size


def _with_first(first: Shown | None, others: Iterator[Shown]) -> Iterator[Shown]:
    if first is not None:
        yield first
        yield from others
