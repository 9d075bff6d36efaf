"""Processing common to every API call: counting, latency, faults, rate limit, login and response."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from certline.simulator.http import login
from certline.simulator.state import faults
from certline.simulator.state.accounts import ACCOUNTS, SimAccount
from certline.simulator.state.records import Record
from certline.simulator.state.scm import Scm
from certline.simulator.wire import fields
from certline.simulator.wire.answers import Json, Refusal


@dataclass(frozen=True, slots=True)
class SimRequest:
    """A request as passed to a handler, with the account that sent it."""

    scm: Scm
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw: bytes
    account: SimAccount
    headers: Mapping[str, str]
    base: str

    def body(self) -> Json:
        """Return the JSON object that was sent. Raises Refusal if it can't be parsed."""
        return fields.parsed(self.raw)

    def id(self, name: str = "sslId") -> int:
        """Return an id from the path."""
        return fields.path_id(self.path[name])

    def record(self, ssl_id: int, *, reading: bool = False) -> Record:
        """Return the record with this id. Raises Refusal if there is none, or if the caller may not see it."""
        found = self.scm.records.get(ssl_id)
        hidden = found is not None and not self.account.sees(found.org_id)
        # Id 0 never exists, so a hidden record gets the same refusal as a missing one.
        return self.scm.record(0 if hidden else ssl_id, reading=reading)

    def records(self) -> Iterable[Record]:
        """Return every record that the caller may see."""
        return [record for record in self.scm.all() if self.account.sees(record.org_id)]

    def need(self, privilege: str) -> None:
        """Raise Refusal if the caller lacks this privilege."""
        self.account.need(privilege, self.scm.settings)


# Most handlers are synchronous; those that may sign a whole fleet are asynchronous and let other calls run.
Handler = Callable[[SimRequest], Response | Awaitable[Response]]


class Turnstile:
    """Rate limiter: a token bucket that holds one second's worth of calls."""

    def __init__(self) -> None:
        self._left = 0.0
        self._seen = 0.0

    def passes(self, rate: float | None) -> bool:
        """Return True if one more call is within `rate` calls per second; None means no limit."""
        if rate is None:
            return True
        moment = time.monotonic()
        # At least 1, or a rate below one call per second would never let any through. `_seen` is 0 before the
        # first call, which finds the bucket full.
        most = max(rate, 1.0)
        self._left = min(most, self._left + (moment - self._seen) * rate) if self._seen else most
        self._seen = moment
        if self._left < 1:
            return False
        self._left -= 1
        return True


class SimCall:
    """ASGI application for one path of the API: its handler with the processing before and after it."""

    # False for the token endpoint, whose callers can't be logged in yet.
    needs_login = True

    def __init__(self, scm: Scm, turnstile: Turnstile, template: str, handler: Handler) -> None:
        self.scm = scm
        self.turnstile = turnstile
        self.template = template
        self.handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the call, apply the latency and a matching fault, and send the response."""
        request = Request(scope, receive)
        raw = await request.body()
        self.scm.calls[f"{request.method} {self.template}"] += 1
        fault = faults.take(self.scm.faults, request)
        wait_ms = self.scm.settings.latency_ms + (fault.delay_ms if fault else 0)
        resets = self.scm.resets
        if wait_ms:
            await asyncio.sleep(wait_ms / 1000)
        # A call that was delayed while the simulator was reset must not affect the next test.
        outlived = self.scm.resets != resets
        if outlived or (fault and fault.kind == faults.DROP_BEFORE):
            await faults.hang_up(scope, receive)
        elif fault and fault.kind == faults.STATUS:
            await fault.refusal()(scope, receive, send)
        elif fault:
            await fault.spoil(await self.answer(request, raw), scope, receive, send)
        else:
            await (await self.answer(request, raw))(scope, receive, send)

    async def answer(self, request: Request, raw: bytes) -> Response:
        """Return the response without any fault."""
        if not self.turnstile.passes(self.scm.settings.rate_limit_per_s):
            headers = {"Retry-After": "1"} if self.scm.settings.retry_after else {}
            return Response("Too many requests", 429, headers, "text/plain")
        base = f"{request.url.scheme}://{request.url.netloc}"
        try:
            account = self._caller(request, base)
            asked = SimRequest(
                self.scm,
                request.path_params,
                request.query_params,
                raw,
                account,
                request.headers,
                base,
            )
            found = self.handler(asked)
            return await found if inspect.isawaitable(found) else found
        except Refusal as refusal:
            return refusal.response()

    def _caller(self, request: Request, base: str) -> SimAccount:
        if not self.needs_login:
            return ACCOUNTS["admin"]
        by_certificate = request.url.path.startswith("/private/")
        return login.caller(self.scm, request.headers, by_certificate=by_certificate, base=base)


class OpenCall(SimCall):
    """ASGI application for a path that needs no login."""

    needs_login = False


def routes(scm: Scm, table: list[tuple[str, str, Handler]]) -> list[Route]:
    """Return the routes for a table of method, path and handler; all share one rate limit."""
    turnstile = Turnstile()
    return [
        Route(path, SimCall(scm, turnstile, path, handler), methods=[method])
        for method, path, handler in table
    ]
