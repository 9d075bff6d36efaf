"""Guard of the control door: it serves programs on this machine, and no web page in a browser on it.

A page can make a browser send requests to 127.0.0.1. With DNS rebinding it does so under a name of its own, so
the name is checked (Host). Otherwise the browser tells whose page it is (Origin), and without asking first it
sends JSON only as another type, which `control.Door` refuses.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOCALHOST = "localhost"


class DoorGuard:
    """ASGI middleware that admits only programs on this machine, which call it by a known name.

    `names`: further names for it, besides `localhost` and the addresses of the loopback network.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {LOCALHOST, *(_plain(name) for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or send 403 with the reason."""
        caller = scope["client"][0] if scope.get("client") else ""
        fault = self._fault(caller, Headers(scope=scope))
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(f"{fault}\n", 403)(scope, receive, send)

    def _fault(self, caller: str, headers: Headers) -> str | None:
        """Return why a request is refused, or None."""
        if not _is_loopback(caller):
            return "The control door serves this machine only."
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._knows(hosts[0]):
            return (
                "The control door is not known by this name (header Host): use 127.0.0.1 or localhost, or start "
                "the simulator with --door-host NAME."
            )
        # Browsers send it with everything that may change something; programs don't.
        if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
            return "The control door serves no pages of other sites (header Origin)."
        return None

    def _knows(self, host: str) -> bool:
        """Return True for a value of the header Host that is one of ours, with or without a port."""
        try:
            parts = urlsplit(f"//{host}")
            name, _ = parts.hostname, parts.port
        except ValueError:
            return False
        if name is None or parts.netloc != host or "@" in host:
            return False
        # A literal address is no name that could be rebound. As a destination, 0.0.0.0 is this machine too.
        return _plain(name) in self._names or _is_loopback(name) or name in ("0.0.0.0", "::")  # noqa: S104


def _plain(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    # An IPv4 caller of a dual-stack socket has an address like ::ffff:127.0.0.1.
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
