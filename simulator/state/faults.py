"""Injected faults: the calls they apply to, and their effect on the response."""

import asyncio
import re
from dataclasses import asdict, dataclass
from types import NoneType
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

UPSTREAM = "upstream connect error or disconnect/reset before headers. reset reason: overflow"
GARBAGE = "<html><body>Please stand by</body></html>"

STATUS = "status"
DROP_BEFORE = "drop_before"
DROP_AFTER = "drop_after"
DELAY = "delay"
KINDS = {STATUS, DROP_BEFORE, DROP_AFTER, DELAY, "garbage", "truncate"}


@dataclass(slots=True)
class InjectedFault:
    """A fault that waits for matching calls. `times` counts down; None means no limit.

    Raises ValueError for an invalid field.
    """

    kind: str
    method: str | None = None
    path: str = ""
    times: int | None = 1
    status: int = 503
    body: str | None = None
    retry_after: int | None = None
    delay_ms: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(
                f"unknown kind '{self.kind}'; it must be one of {', '.join(sorted(KINDS))}"
            )
        # The exact type is compared, because bool is a subclass of int.
        numbers = (self.times, self.status, self.retry_after, self.delay_ms)
        if any(type(number) not in {int, NoneType} for number in numbers):
            raise ValueError("times, status, retry_after and delay_ms must be whole numbers")
        if not 200 <= self.status <= 599:
            raise ValueError(f"{self.status} is not a final HTTP status (200 to 599)")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"the path is not a regular expression: {error}") from None

    def meets(self, request: Request) -> bool:
        """Return True if the fault applies to this call."""
        right_method = self.method is None or self.method.upper() == request.method
        return right_method and re.search(self.path, request.url.path) is not None

    def as_json(self) -> dict[str, Any]:
        """Return the fault as it was added, with the remaining `times`."""
        return asdict(self)

    def refusal(self) -> Response:
        """Return the response for kind `status`; without a `body`, that of a proxy in front of SCM."""
        headers = {"Content-Type": "text/plain"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.body is not None and self.body.lstrip().startswith(("{", "[")):
            headers["Content-Type"] = "application/json;charset=UTF-8"
        return Response(UPSTREAM if self.body is None else self.body, self.status, headers)

    async def spoil(self, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response of a call that was carried out, damaged according to the kind of fault."""
        if self.kind == DROP_AFTER:
            await hang_up(scope, receive)
        elif self.kind == "garbage":
            page = Response(GARBAGE if self.body is None else self.body, media_type="text/html")
            await page(scope, receive, send)
        elif self.kind == "truncate":
            await _truncated(answer, scope, receive, send)
        else:
            await answer(scope, receive, send)


def take(faults: list[InjectedFault], request: Request) -> InjectedFault | None:
    """Return the first fault that applies to this call, and count it down; remove it when used up."""
    found = next((fault for fault in faults if fault.meets(request)), None)
    if found is not None and found.times is not None:
        found.times -= 1
        if found.times <= 0:
            faults.remove(found)
    return found


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection without sending anything more."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.close()
    # Wait until uvicorn has noticed the close; otherwise it would send a 500, as no response was started.
    while (await receive())["type"] != "http.disconnect":
        pass


async def _truncated(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    body = bytes(answer.body) or b"{}"
    headers = [(name, value) for name, value in answer.raw_headers if name != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    # A 204 has no body that could be truncated.
    code = 200 if answer.status_code == 204 else answer.status_code
    await send({"type": "http.response.start", "status": code, "headers": headers})
    half = body[: len(body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    await hang_up(scope, receive)
