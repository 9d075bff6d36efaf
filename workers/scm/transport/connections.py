"""Connections that note whether a request was written, and that end an answer which drips.

`putrequest` is called after a proxy's CONNECT and the TLS handshake, so whatever fails in those
leaves `written` False.
"""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

# Linux has a clock that also counts while the machine is suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot() -> float:
    """Seconds on a clock that never jumps and, where there is one, doesn't stand still in a suspend."""
    return time.clock_gettime(_CLOCK)


class TooLateError(OSError):
    """The request was to be sent by a certain moment, which has passed: nothing was written."""


class Progress(threading.local):
    """How far this thread's current request has come, and when its answer must be here."""

    written = False
    deadline = float("inf")
    _patience = float("inf")
    _send_before = float("inf")

    def begin(self, connecting: float, patience: float, send_before: float = float("inf")) -> None:
        """A new request: `patience` seconds for the answer, counted from its first byte.

        That byte leaves before `send_before` (of `since_boot`), or never.
        """
        self.written = False
        self._send_before = send_before
        self._patience = patience
        self.deadline = time.monotonic() + connecting + patience  # for what a proxy says first

    def write(self) -> None:
        """The first byte leaves. Raises TooLateError where its time has passed."""
        if not self.written:
            if since_boot() > self._send_before:
                raise TooLateError("too late to send: this process was held up")
            self.written = True
            self.deadline = time.monotonic() + self._patience


progress = Progress()


class _Watched(io.RawIOBase):
    """What a socket brings, until the deadline; requests' own time-out counts each piece anew."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._pause = sock.gettimeout() or float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = progress.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the whole answer took too long")
        wait = min(self._pause, left)
        self._sock.settimeout(None if wait == float("inf") else wait)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Watched(self.fp.detach(), sock))


class _Noting(HTTPConnection):
    response_class = _Response
    _started = False

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        self._started = True
        super().putrequest(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # plain HTTP connects as late as this
        if self._started:
            progress.write()
        super().send(data)


class _NotingTls(_Noting, HTTPSConnection):
    pass


class Pool(HTTPConnectionPool):
    """Plain HTTP."""

    ConnectionCls = _Noting


class TlsPool(HTTPSConnectionPool):
    """HTTP over TLS."""

    ConnectionCls = _NotingTls
