"""Pages in place of the one asked for: not found, makes no sense, took too long, failed."""

from __future__ import annotations

from urllib.parse import quote

import structlog
from psycopg.errors import InsufficientPrivilege, QueryCanceled
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from certline.board.context import MOST_STATEMENT
from certline.board.web import links
from certline.board.web.errors import BadFilterError, NoTableError, RefusalPage, UnknownThingError
from certline.board.web.export import json_response
from certline.board.web.renderer import Renderer

log = structlog.get_logger()


def bad_filter(request: Request, error: Exception) -> Response:
    """Return the page about values in the address that make no sense."""
    problems = error.problems if isinstance(error, BadFilterError) else [str(error)]
    return _refused(
        request,
        RefusalPage(
            400,
            "The address makes no sense here",
            ("These values cannot be used, so nothing was looked up:",),
            "Correct them in the address, or begin with all rows.",
            filters=tuple(problems),
        ),
    )


def unknown_thing(request: Request, error: Exception) -> Response:
    """Return the page about something that is not there."""
    text, next_step = str(error), "It may have been deleted; the audit log says who deleted what."
    command = error.command if isinstance(error, UnknownThingError) else None
    return _refused(request, RefusalPage(404, "Not found", (text,), next_step, command))


def no_table(request: Request, _error: Exception) -> Response:
    """Return the page about CSV of a page that is no table."""
    said = "This page is more than one table, so it cannot be CSV."
    return _refused(
        request, RefusalPage(400, "No CSV of this page", (said,), "Ask for ?format=json instead.")
    )


def http_error(request: Request, error: Exception) -> Response:
    """Return the page about a path that there is not, or a method that is not served."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        said = "There is no page at this address."
        return _refused(request, RefusalPage(404, "Not found", (said,), "The menu has every page."))
    said = "The board only reads: nothing can be changed by it."
    return _refused(request, RefusalPage(status, "Not possible", (said,), "Use the command line."))


def database_error(request: Request, error: Exception) -> Response:
    """Return the page about a statement that took too long, was not allowed, or reached no Postgres."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(cause, QueryCanceled):
        said = f"Postgres did not answer within {MOST_STATEMENT // 1000} seconds."
        return _refused(
            request,
            RefusalPage(
                503,
                "This took too long",
                (said, "The board gives up then, so that it never slows down the line itself."),
                "Narrow the list with a filter, or try again when less is going on.",
            ),
        )
    log.error("page.failed", path=request.url.path, error=str(cause or error).strip()[:500])
    if isinstance(cause, InsufficientPrivilege):
        said = "The board's role of Postgres may not read what this page shows."
        return _refused(
            request,
            RefusalPage(
                503,
                "Not allowed to read this",
                (said,),
                "Let the owner of the tables give it its rights again:",
                "certline init --board-role NAME",
            ),
        )
    said = "Postgres cannot be reached, or refused the query."
    return _refused(
        request,
        RefusalPage(503, "The database does not answer", (said,), "To see why:", "certline doctor"),
    )


def failure(request: Request, error: Exception) -> Response:
    """Return the page about a fault of the board itself."""
    log.error("page.failed", path=request.url.path, exc_info=error)
    said = "The board has a fault. The line itself goes on; the board's log says more."
    return _refused(
        request,
        RefusalPage(
            500, "This page failed", (said,), "Meanwhile the command line shows the same data."
        ),
    )


def _refused(request: Request, refusal: RefusalPage) -> Response:
    if request.query_params.get("format") in ("json", "csv"):
        return json_response(refusal.document, refusal.status)
    renderer: Renderer = request.app.state.renderer
    # Of a path that leads to another host, as a link, the first page.
    path: str = request.scope["path"]
    values = {"refusal": refusal, "path": quote(path) if links.is_own(path) else links.TODAY}
    return renderer.page(request, "refusal.html", refusal.title, values, refusal.status)


HANDLERS = {
    BadFilterError: bad_filter,
    UnknownThingError: unknown_thing,
    NoTableError: no_table,
    HTTPException: http_error,
    SQLAlchemyError: database_error,
    Exception: failure,
}
