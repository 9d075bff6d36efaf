"""Who sends a request: the address, the user, and whether the connection is encrypted up to the proxy."""

from dataclasses import dataclass

from starlette.requests import Request

from certline.board.access.policy import AccessPolicy

# `__Host-` binds the cookie to this host, and browsers take it over https only.
COOKIE, SECURE_COOKIE = "certline-board", "__Host-certline-board"
# Characters of a name that a proxy gives.
LONGEST = 200


@dataclass(frozen=True)
class BoardCaller:
    """Who sends a request. `user`: None if unknown; `address`: of the person, as far as it can be believed."""

    address: str
    user: str | None
    through_proxy: bool
    encrypted: bool


def caller_of(request: Request, access: AccessPolicy, *, uses: bool) -> BoardCaller:
    """Find out who sends a request. `uses`: whether it keeps a session open. Raises UsersFileError."""
    peer = request.client.host if request.client else ""
    proxy = access.proxy
    if proxy is not None and access.is_proxy(peer):
        forwarded = _forwarded(request)
        encrypted = request.headers.get("x-forwarded-proto", "") == "https"
        named = [] if proxy.header is None else request.headers.getlist(proxy.header)
        user = named[0].strip() if len(named) == 1 else ""
        if user and len(user) <= LONGEST and user.isprintable():
            return BoardCaller(forwarded or peer, user, through_proxy=True, encrypted=encrypted)
        return BoardCaller(
            forwarded or peer,
            session_user(request, access, uses=uses),
            through_proxy=True,
            encrypted=encrypted,
        )
    encrypted = request.url.scheme == "https"
    user_ = session_user(request, access, uses=uses)
    return BoardCaller(peer, user_, through_proxy=False, encrypted=encrypted)


def _forwarded(request: Request) -> str:
    """Return the address that the proxy has seen: the last one, of the last line. The client may send others.

    Some proxies add the port, which is another one for each connection.
    """
    lines = request.headers.getlist("x-forwarded-for")
    address = ",".join(lines).rpartition(",")[2].strip()
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, _, port = address.rpartition(":")
    return host if host and ":" not in host and port.isdecimal() else address


def session_user(request: Request, access: AccessPolicy, *, uses: bool) -> str | None:
    """Return the user of the session that a request belongs to. Raises UsersFileError."""
    token = token_of(request)
    if token is None or access.users is None:
        return None
    users = access.users.users()
    return access.sessions.user_of(token, users.get, uses=uses)


def token_of(request: Request) -> str | None:
    """Return the token of the session that a request names."""
    return request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
