"""The board's application: its pages, static files and error pages, behind the guard."""

from collections.abc import Callable
from typing import Any, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from certline.board.access.guard import HEALTH, AccessGuard
from certline.board.access.log_in import LOGIN_ROUTES
from certline.board.access.policy import AccessPolicy
from certline.board.context import BoardContext
from certline.board.health import BoardHealth, healthz
from certline.board.pages.registry import page_routes
from certline.board.web.navigation import menu
from certline.board.web.refusals import HANDLERS
from certline.board.web.renderer import Renderer
from certline.board.web.static import static_files, static_routes


def build_app(board: BoardContext, access: AccessPolicy) -> Starlette:
    """Return the application of a board. `access`: who may look."""
    static, pages = static_files(), page_routes()
    paths = {route.path for route in pages if isinstance(route, Route)}
    logins = [] if access.users is None else LOGIN_ROUTES
    app = Starlette(
        routes=[*pages, *logins, Route(HEALTH, healthz), *static_routes(static)],
        middleware=[Middleware(AccessGuard, access=access)],
        exception_handlers=cast("dict[Any, Callable[..., Any]]", HANDLERS),
    )
    app.state.board = board
    app.state.access = access
    app.state.health = BoardHealth(board.database)
    app.state.renderer = Renderer(static, menu(paths))
    return app
