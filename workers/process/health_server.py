"""A small HTTP server for probes, which nothing that reaches its port can turn against its process.

One thread serves all connections; their number and the time of each are limited. An answer is computed in a thread
of its own, one an endpoint at a time, and is kept for a moment, so that many requests cost no more than one.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from types import MappingProxyType

import structlog

log = structlog.get_logger()

# Connections at a time. When one more comes, the oldest is closed: it has had its chance, and idle ones can't keep
# a probe out.
MOST_CONNECTIONS = 32
# Seconds for a whole exchange, from connection to response.
WITHIN = 5.0
# Bytes of a request's head at most.
LARGEST_HEAD = 8 * 1024
PHRASES = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}

NO_VARIANTS: Mapping[tuple[str, str], "Endpoint"] = MappingProxyType({})


@dataclass(frozen=True)
class ProbeAnswer:
    """The status, text and media type of a response."""

    status: int
    text: str
    media_type: str = "text/plain; charset=utf-8"


class Endpoint:
    """What is served at a path. `compute` may take its time; its answer is kept for `keep` seconds."""

    def __init__(self, compute: Callable[[], ProbeAnswer], keep: float) -> None:
        self._compute = compute
        self._keep = keep
        self._kept: tuple[float, ProbeAnswer] | None = (
            None  # until when (monotonic seconds), and what
        )
        self._awaited: asyncio.Future[ProbeAnswer] | None = None

    async def answer(self) -> ProbeAnswer:
        """Return the answer, computed at most once at a time. To be called in the server's loop only.

        Raises RuntimeError if the process can have no further thread.
        """
        if self._kept is not None and monotonic() < self._kept[0]:
            return self._kept[1]
        if self._awaited is None:
            loop = asyncio.get_running_loop()
            # A daemon, so that a stop of the process doesn't wait for a slow database.
            threading.Thread(target=self._work, args=(loop,), name="health", daemon=True).start()
            self._awaited = loop.create_future()
        # Shielded: a client that is cut off must not cancel what others wait for.
        return await asyncio.shield(self._awaited)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            answer = self._compute()
        except (
            Exception
        ):  # the edge of the thread: whatever a check raises, somebody waits for an answer
            log.exception("health.failed")
            answer = ProbeAnswer(503, "the check itself failed; see the log\n")
        with suppress(RuntimeError):  # the loop is closed: the process ends
            loop.call_soon_threadsafe(self._end, answer)

    def _end(self, answer: ProbeAnswer) -> None:
        self._kept = (monotonic() + self._keep, answer)
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(answer)
        self._awaited = None


class HealthServer:
    """Serves endpoints on a listening socket, in a daemon thread, until the process ends.

    `variants`: endpoints in place of others for who accepts a media type, by path and media type.
    """

    def __init__(
        self,
        listener: socket.socket,
        endpoints: Mapping[str, Endpoint],
        variants: Mapping[tuple[str, str], Endpoint] = NO_VARIANTS,
    ) -> None:
        self._listener = listener
        self._endpoints = endpoints
        self._variants = variants
        self._open: dict[asyncio.StreamWriter, None] = {}  # in the order of their arrival

    def start(self) -> None:
        """Start serving."""
        threading.Thread(target=self._run, name="health", daemon=True).start()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (OSError, RuntimeError) as error:
            log.error("health.ended", error=str(error))  # noqa: TRY400  # said

    async def _serve(self) -> None:
        # Without a handler of its own, asyncio logs each failed connection with a traceback.
        asyncio.get_running_loop().set_exception_handler(_whisper)
        server = await asyncio.start_server(
            self._admit, sock=self._listener, limit=LARGEST_HEAD, backlog=MOST_CONNECTIONS
        )
        async with server:
            await server.serve_forever()

    async def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(self._open) >= MOST_CONNECTIONS:
            oldest = next(iter(self._open))
            del self._open[oldest]
            oldest.transport.abort()
        self._open[writer] = None
        try:
            async with asyncio.timeout(WITHIN):
                await self._exchange(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client is too slow (TimeoutError is an OSError), has gone, or sends no HTTP
        finally:
            self._open.pop(writer, None)
            writer.transport.abort()  # does nothing to one that is closed

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        path = rest.split(" ")[0].split("?")[0]
        answer = await self._answer(method, path, _accepted(head))
        body = answer.text.encode()
        lines = (
            f"HTTP/1.1 {answer.status} {PHRASES[answer.status]}",
            f"Content-Type: {answer.media_type}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        start = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
        writer.write(start + (b"" if method == "HEAD" else body))
        writer.close()
        await writer.wait_closed()  # not before all of it is sent

    async def _answer(self, method: str, path: str, accepted: str) -> ProbeAnswer:
        kinds = (kind for own, kind in self._variants if own == path and kind in accepted)
        endpoint = self._variants.get((path, next(kinds, "")), self._endpoints.get(path))
        if endpoint is None:
            return ProbeAnswer(404, f"there are {' and '.join(self._endpoints)}\n")
        if method not in ("GET", "HEAD"):
            return ProbeAnswer(405, "only GET is served\n")
        try:
            # A second less than the whole exchange: there has to be time for the response.
            async with asyncio.timeout(WITHIN - 1):
                return await endpoint.answer()
        except TimeoutError:
            return ProbeAnswer(503, f"no answer within {WITHIN - 1:.0f} s\n")
        except RuntimeError as error:
            return ProbeAnswer(503, f"{error}\n")


def _accepted(head: bytes) -> str:
    """Return the media types that a request's head accepts, in lower case; empty if it doesn't say."""
    for line in head.decode("latin-1").lower().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip() == "accept":
            return value
    return ""


def listen(host: str, port: int, *, shares_port: bool) -> socket.socket:
    """Return a socket that listens on an address of IPv4 or IPv6. Raises OSError.

    `shares_port`: with the other worker processes of `--processes N`; each probe then reaches any of them.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(MOST_CONNECTIONS)
    except OSError:
        listener.close()
        raise
    return listener


def _whisper(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log what went wrong with a connection in one line, at a level that is off: clients cause it at will."""
    log.debug("health.connection", why=str(context.get("message")))
