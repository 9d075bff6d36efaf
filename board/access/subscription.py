"""The log-in of programs that subscribe to the calendar, which cannot fill in a form: HTTP Basic (RFC 7617)."""

import base64

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from certline.board.access.policy import AccessPolicy

log = structlog.get_logger()

# The one path that takes it: everywhere else a browser would send the password along unasked.
SUBSCRIBED = "/calendar.ics"
ASK = {"www-authenticate": 'Basic realm="certline board", charset="UTF-8"'}


def refusal_of_subscriber(
    request: Request, access: AccessPolicy, address: str
) -> tuple[str | None, Response | None]:
    """Return the user that a request names with the right password, or what is answered instead.

    Guessing is slowed down as at the form. Raises UsersFileError.
    """
    name, password = _credentials(request)
    if access.users is None or not name:
        text = "Subscribe with a user of the board: its name and password.\n"
        return None, PlainTextResponse(text, 401, ASK)
    wait = access.throttle.wait(name, address)
    if wait > 0:
        log.warning("access.slowed", who=name, host=address)
        again = {"retry-after": str(int(wait) + 1)}
        return None, PlainTextResponse("Too many failed log-ins.\n", 429, again)
    access.throttle.failed(name, address)
    if not access.users.is_right(name, password):
        log.warning("access.refused", who=name, host=address)
        return None, PlainTextResponse("The name or the password is wrong.\n", 401, ASK)
    access.throttle.succeeded(name, address)
    return name, None


def _credentials(request: Request) -> tuple[str, str]:
    """Return name and password of a request; two empty texts if it has none that can be read."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not ASCII, not Base64, not UTF-8
        return "", ""
    return name[:64], password
