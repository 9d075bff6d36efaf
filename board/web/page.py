"""Pages: from a request to a response, in one short transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from certline.board.context import BoardContext
from certline.board.web.errors import NoTableError
from certline.board.web.export import Representation, json_response, representation, streamed_csv
from certline.board.web.page_request import PageRequest
from certline.board.web.renderer import Renderer


@dataclass(frozen=True)
class View:
    """What a page shows: a template with its values, and `document`, the same data as JSON.

    A document that is a sequence of rows is also available as CSV.
    """

    title: str
    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] | Sequence[Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A page: its path, as of Starlette's routes, and the function that finds out what it shows.

    The function may raise UnknownThingError and BadFilterError.
    """

    path: str
    show: Callable[[PageRequest], View]

    def route(self) -> Route:
        """Return the route that serves the page."""
        return Route(self.path, self.respond, name=self.path)

    def respond(self, request: Request) -> Response:
        """Return the response in the format that the address asks for."""
        wanted = representation(request.query_params)
        board: BoardContext = request.app.state.board
        with board.database.transaction() as db:
            view = self.show(PageRequest(request, db, board))
        if wanted is Representation.HTML:
            renderer: Renderer = request.app.state.renderer
            return renderer.page(request, view.template, view.title, view.values)
        if wanted is Representation.JSON:
            return json_response(view.document)
        if isinstance(view.document, Mapping):
            raise NoTableError
        return streamed_csv(view.document, self.path.strip("/").partition("/")[0] or "today")
