"""A server that sends given raw bytes as responses, and records the requests that arrived."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import BinaryIO, Self

# Sent instead of a response: the connection is reset, as by a process that died.
RESET = b"<reset>"
# Sent instead of a response: nothing, until the client has gone.
SILENCE = b"<silence>"
# The first byte of a TLS handshake; no HTTP request begins so.
TLS_HELLO = b"\x16"


def http(
    status: str, body: bytes = b"", *, length: int | None = None, headers: tuple[str, ...] = ()
) -> bytes:
    """Return an HTTP response; `length` falsifies the Content-Length."""
    promised = len(body) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Length: {promised}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


def as_json(status: str, value: object) -> bytes:
    """Return an HTTP response as SCM formats it."""
    body = json.dumps(value).encode()
    return http(status, body, headers=("Content-Type: application/json;charset=UTF-8",))


def ok(value: object) -> bytes:
    """Return SCM's response to a successful call."""
    return as_json("200 OK", value)


class Drip(bytes):
    """A response of which a byte arrives every tenth of a second, until the client has gone."""

    __slots__ = ()


@dataclass
class Seen:
    """A request that arrived completely."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Method and path, as "GET /api/…"."""
        return self.line.removesuffix(" HTTP/1.1")

    def json(self) -> object:
        """Return the parsed body."""
        return json.loads(self.body)


# A response: the bytes, or a function of the request.
Reply = bytes | Callable[[Seen], bytes]


@dataclass
class OddServer:
    """A server that sends `answers` in turn, repeating the last one; a connection may carry several requests."""

    answers: Sequence[Reply]
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    faults: list[OSError] = field(default_factory=list)  # of TLS handshakes

    def __enter__(self) -> Self:
        self._left = list(self.answers)
        self._lock = threading.Lock()
        self._read_one = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # already closed by its own thread
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        """URL on which it listens."""
        scheme, host = ("https", "localhost") if self.tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._listener.getsockname()[1]}"

    def wait_for_request(self) -> None:
        """Return when a first request has been read, at most ten seconds from now."""
        self._read_one.wait(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        if self.tls:
            kept = connection.dup()
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError as fault:
                self.faults.append(fault)
                # If it closed at once with a request unread, TCP would discard our alert.
                with kept, suppress(OSError):
                    kept.shutdown(socket.SHUT_WR)
                    while kept.recv(4096):
                        pass
                return
            kept.close()
            self._open.append(connection)
        with connection, connection.makefile("rb") as incoming:
            try:
                self._answer_all(connection, incoming)
            except OSError:
                return  # the client has gone, or the test is over

    def _answer_all(self, connection: socket.socket, incoming: BinaryIO) -> None:
        if not self.tls and incoming.peek(1)[:1] == TLS_HELLO:  # type: ignore[attr-defined]
            connection.sendall(self._reply(Seen("", {}, b"")))
            return
        while (request := _read(incoming)) is not None:
            self.seen.append(request)
            self._read_one.set()
            answer = self._reply(request)
            if answer == SILENCE:
                incoming.read()
                return
            if answer == RESET:
                # A linger time of zero makes close() send RST rather than FIN.
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            if isinstance(answer, Drip):
                for byte in answer:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.1)
                return
            connection.sendall(answer)
            if not _is_whole(answer):
                return

    def _reply(self, request: Seen) -> bytes:
        with self._lock:
            reply = self._left.pop(0) if len(self._left) > 1 else self._left[0]
        return reply if isinstance(reply, bytes) else reply(request)


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    return f"Content-Length: {len(body)}".encode() in head or b" 204 " in head


def _read(incoming: BinaryIO) -> Seen | None:
    line = incoming.readline()
    if not line:
        return None
    headers: dict[str, str] = {}
    while (header := incoming.readline().decode().strip()) != "":
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    body = incoming.read(int(headers.get("content-length", "0")))
    return Seen(line.decode().strip(), headers, body)
