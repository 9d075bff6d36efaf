"""The board's application: its pages, static files and error pages."""

from collections.abc import Callable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.routing import Route

from certline.board.context import BoardContext
from certline.board.pages.registry import page_routes
from certline.board.web.navigation import menu
from certline.board.web.refusals import HANDLERS
from certline.board.web.renderer import Renderer
from certline.board.web.static import static_files, static_routes


def build_app(board: BoardContext) -> Starlette:
    """Return the application of a board."""
    static, pages = static_files(), page_routes()
    paths = {route.path for route in pages if isinstance(route, Route)}
    app = Starlette(
        routes=[*pages, *static_routes(static)],
        exception_handlers=cast("dict[Any, Callable[..., Any]]", HANDLERS),
    )
    app.state.board = board
    app.state.renderer = Renderer(static, menu(paths))
    return app
