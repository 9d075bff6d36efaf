"""Connections that record whether a request was written, and that end a response which arrives too slowly.

`putrequest` is called only after a proxy's CONNECT and the TLS handshake, so a failure in either leaves
`written` False.
"""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# Linux's CLOCK_BOOTTIME also counts while the machine is suspended; elsewhere the monotonic clock has to do.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Return seconds on a monotonic clock which, on Linux, also counts time spent suspended."""
    return time.clock_gettime(_CLOCK)


class TooLateError(OSError):
    """The request's `send_before` has passed; nothing was written."""


class Progress(threading.local):
    """Progress of this thread's current request: whether it was written, and its response's deadline."""

    written = False
    deadline = float("inf")
    _patience = float("inf")
    _send_before = float("inf")

    def begin(self, connecting: float, patience: float, send_before: float = float("inf")) -> None:
        """Start a new request, whose whole response may take `patience` seconds from its first byte sent.

        If that byte isn't sent before `send_before` (on the clock of `since_boot`), nothing is sent.
        """
        self.written = False
        self._send_before = send_before
        self._patience = patience
        # Holds until the first byte is sent: it limits a proxy's response to CONNECT.
        self.deadline = time.monotonic() + connecting + patience

    def write(self) -> None:
        """Record that the first byte is about to be sent. Raises TooLateError if `send_before` has passed."""
        if not self.written:
            if since_boot() > self._send_before:
                raise TooLateError("too late to send: this process was delayed")
            self.written = True
            self.deadline = time.monotonic() + self._patience


progress = Progress()


class _Watched(io.RawIOBase):
    """Stream that reads from a socket until the deadline; requests' own time-out restarts with each piece."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._pause = sock.gettimeout() or float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = progress.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole response took too long")
        wait = min(self._pause, left)
        self._sock.settimeout(None if wait == float("inf") else wait)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        # The status line and headers are read through `fp` too, so the deadline covers them.
        self.fp = io.BufferedReader(_Watched(self.fp.detach(), sock))


class _Noting(HTTPConnection):
    response_class = _Response
    _started = False

    def __str__(self) -> str:
        # urllib3 begins its error texts with the connection; these reach users.
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._started = True
        super().putrequest(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # plain HTTP connects only now; a failure must leave `written` False
        # Before `putrequest` only a proxy's CONNECT is sent, which isn't the request itself.
        if self._started:
            progress.write()
        super().send(data)


class _NotingTls(_Noting, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Connection pool for plain HTTP."""

    ConnectionCls = _Noting


class TlsPool(HTTPSConnectionPool):
    """Connection pool for HTTP over TLS."""

    ConnectionCls = _NotingTls
