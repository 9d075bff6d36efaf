"""The log-in form, and the end of a session."""

import hmac
import secrets
from urllib.parse import parse_qs

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from certline.board.access.caller import COOKIE, SECURE_COOKIE, BoardCaller, token_of
from certline.board.access.policy import AccessPolicy
from certline.board.web import links
from certline.board.web.renderer import Renderer

log = structlog.get_logger()

LOGIN, LOGOUT = "/login", "/logout"
# The form and its cookie carry the same random text, which another site can neither read nor set.
FORM_COOKIE, FORM_FIELD = "certline-form", "form"
# Bytes of a form, and seconds for which one may be filled in.
MOST_BYTES, FORM_SECONDS = 8_192, 3_600
# Not more: which of the two is wrong is nobody's business.
WRONG = "The name or the password is wrong."


async def show_form(request: Request) -> Response:
    """Return the log-in page; somebody who is logged in already goes on."""
    if request.state.user is not None:
        return RedirectResponse(_target(request.query_params.get("next")), 303)
    return _form(request, _target(request.query_params.get("next")))


async def log_in(request: Request) -> Response:
    """Open a session for a name with its password; slowed down for those who guess."""
    access: AccessPolicy = request.app.state.access
    caller: BoardCaller = request.state.caller
    fields = await _fields(request)
    name, password = fields.get("name", "")[:64], fields.get("password", "")
    target = _target(fields.get("next"))
    expected = request.cookies.get(FORM_COOKIE, "")
    given = fields.get(FORM_FIELD, "")
    if not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        return _form(request, target, "The form was too old, or cookies are off. Try again.", 400)
    wait = access.throttle.wait(name, caller.address)
    if wait > 0:
        log.warning("access.slowed", who=name, host=caller.address)
        answer = _form(request, target, f"Too many failed log-ins: wait {wait:.0f} seconds.", 429)
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    users = access.users
    # Counted before it is checked: many at once are no way around the pauses.
    access.throttle.failed(name, caller.address)
    if users is None or not await run_in_threadpool(users.is_right, name, password):
        log.warning("access.refused", who=name, host=caller.address)
        return _form(request, target, WRONG, 403)
    access.throttle.succeeded(name, caller.address)
    log.info("access.logged_in", who=name, host=caller.address)
    token = access.sessions.open(name, users.users()[name])
    response = RedirectResponse(target, 303)
    response.set_cookie(
        SECURE_COOKIE if caller.encrypted else COOKIE,
        token,
        path="/",
        secure=caller.encrypted,
        httponly=True,
        samesite="strict",
    )
    response.delete_cookie(FORM_COOKIE, path=LOGIN)
    return response


async def log_out(request: Request) -> Response:
    """End the session."""
    access: AccessPolicy = request.app.state.access
    token = token_of(request)
    if token is not None:
        access.sessions.close(token)
    response = RedirectResponse(LOGIN, 303)
    for name in (COOKIE, SECURE_COOKIE):
        secure = name == SECURE_COOKIE
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")
    return response


def _form(request: Request, target: str, fault: str = "", status: int = 200) -> Response:
    caller: BoardCaller = request.state.caller
    text = secrets.token_urlsafe(24)
    renderer: Renderer = request.app.state.renderer
    values = {"target": target, "fault": fault, "form": text}
    response = renderer.page(request, "login.html", "Log in", values, status)
    response.set_cookie(
        FORM_COOKIE,
        text,
        max_age=FORM_SECONDS,
        path=LOGIN,
        secure=caller.encrypted,
        httponly=True,
        samesite="strict",
    )
    return response


async def _fields(request: Request) -> dict[str, str]:
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return {}
    except ClientDisconnect:
        return {}
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _target(given: str | None) -> str:
    """Return the path to go to, of this board only."""
    text = given or "/"
    return text if links.is_own(text) and not text.startswith((LOGIN, LOGOUT)) else "/"


LOGIN_ROUTES = [
    Route(LOGIN, show_form, methods=["GET"]),
    Route(LOGIN, log_in, methods=["POST"]),
    Route(LOGOUT, log_out, methods=["POST"]),
]
