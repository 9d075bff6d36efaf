"""The guard in front of all pages: the headers of each response, the name that is called, and who may look."""

from urllib.parse import quote, urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from certline.board.access.caller import BoardCaller, caller_of
from certline.board.access.log_in import LOGIN, LOGOUT
from certline.board.access.policy import AccessPolicy
from certline.board.access.response_headers import with_safe_headers
from certline.board.access.subscription import SUBSCRIBED, refusal_of_subscriber
from certline.board.access.users_file import UsersFileError
from certline.board.web.export import json_response

log = structlog.get_logger()

# Served to everybody: a probe's question, and what the log-in page looks like.
PUBLIC = ("/healthz", LOGIN, LOGOUT)
STATIC = "/static/"
# What pages ask by themselves, a path and a header; it keeps no session open.
LIVE, REFRESH = "/live", "x-certline-refresh"
HEALTH = "/healthz"
# What most reverse proxies add to what they pass on; nobody on this machine does.
FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)


class AccessGuard:
    """Middleware that lets only those through who may look."""

    def __init__(self, app: ASGIApp, access: AccessPolicy) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = with_safe_headers(list(message.get("headers", [])))
            await send(message)

        refusal = await self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, send_safely)

    async def _refusal(self, request: Request) -> Response | None:
        """Return what is answered in place of the page, None if it may be shown."""
        # The path that is routed. That of the URL depends on the header Host, which anybody may write.
        path: str = request.scope["path"]
        if path == HEALTH:
            return None
        if self._access.is_open and not self._is_called_by_name(request):
            # A name of somebody else that leads to this machine: its page could read the board (DNS rebinding).
            return PlainTextResponse(
                "This board is for this machine only, and is called by another name: open it as "
                f"http://{self._access.host}:PORT/. Behind a proxy it needs a log-in: certline board --help\n",
                421,
            )
        if self._access.is_open and any(name in request.headers for name in FORWARDED):
            # Called by the right name, as nginx does by itself; everybody whom the proxy serves could look.
            return PlainTextResponse(
                "This board is for this machine only, and a proxy asks it for somebody else. Behind a proxy it "
                "needs a log-in: certline board --help\n",
                421,
            )
        if not _is_from_here(request):
            return PlainTextResponse("Another page has sent this; the board takes nothing.\n", 403)
        if self._access.is_open:
            return None
        try:
            caller = await run_in_threadpool(
                caller_of, request, self._access, uses=_is_of_person(request)
            )
        except UsersFileError as fault:
            log.error("access.users_unreadable", file=str(fault))  # noqa: TRY400  # said
            return PlainTextResponse("The board cannot read its users; its log says why.\n", 503)
        request.scope.setdefault("state", {})
        request.state.user = caller.user
        request.state.caller = caller
        if caller.user is not None or path in PUBLIC or path.startswith(STATIC):
            return None
        if path == SUBSCRIBED and self._access.users is not None:
            return await self._subscriber(request, caller)
        return self._unknown(request)

    async def _subscriber(self, request: Request, caller: BoardCaller) -> Response | None:
        """Return what a program is answered that subscribes without the right password, None if it has it."""
        user, refusal = await run_in_threadpool(
            refusal_of_subscriber, request, self._access, caller.address
        )
        request.state.user = user
        return refusal

    def _is_called_by_name(self, request: Request) -> bool:
        named = request.headers.getlist("host")
        host = urlsplit(f"//{named[0]}") if len(named) == 1 else None
        return host is not None and (host.hostname or "") in self._access.names

    def _unknown(self, request: Request) -> Response:
        if self._access.users is None:
            return PlainTextResponse(
                "This board is reached through its proxy only, which says who you are.\n", 403
            )
        if request.scope["path"] == LIVE or request.query_params.get("format") in ("json", "csv"):
            return json_response({"error": "not logged in", "next": LOGIN}, 401)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOGIN}?next={quote(target, safe='')}", 303)


def _is_of_person(request: Request) -> bool:
    """Return False for what an open page asks by itself, and for the form."""
    return request.scope["path"] not in (LIVE, LOGIN) and REFRESH not in request.headers


def _is_from_here(request: Request) -> bool:
    """Return False for a request that changes something and was sent by a page of another origin."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return True
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")
