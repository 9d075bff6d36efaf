"""TCP proxies in front of a server: one that fails as networks do, and one that holds back orders or responses."""

import select
import socket
import struct
import threading
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# Default ports, by the scheme of the URL.
PORTS = {"http": 80, "postgresql": 5432, "amqp": 5672}


class Break(StrEnum):
    """Ways in which a network fails."""

    DROP = "drop"  # existing and new connections are closed
    RESET = "reset"  # the same with a TCP reset: data in transit is discarded
    HANG = "hang"  # connections stay open, new ones are accepted, but no data passes


class Proxy:
    """A proxy to the server of a URL, which a test can break; `url` is the same URL with the proxy's address.

    `broken` is set once it is broken. `attempts` counts the connections accepted.
    """

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self._target = (target.hostname or "127.0.0.1", target.port or PORTS[target.scheme])
        self._listener = socket.create_server(("127.0.0.1", 0))
        user, at, _ = target.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        self.url = target._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()
        self.broken = threading.Event()
        self.attempts = 0
        self._flows = threading.Event()
        self._flows.set()
        self._how: Break | None = None
        # Bytes that still pass before it breaks, and the way in which it then breaks.
        self._left: int | None = None
        self._then = Break.DROP
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flows.set()
        self._end(self._listener)
        self._end_all()

    def break_off(self, how: Break, *, after: int = 0) -> None:
        """Break now, or after that many more bytes have passed, both directions together."""
        with self._lock:
            self.broken.clear()
            self._left, self._then = after, how
        if not after:
            self._count(0)

    def mend(self) -> None:
        """Work again. Connections that hung continue where they stopped."""
        with self._lock:
            self._how = self._left = None
            self._flows.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.attempts += 1
                if self._how in (Break.DROP, Break.RESET):
                    self._end(client, rudely=self._how is Break.RESET)
                    continue
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # the server is down
                    self._end(client)
                    continue
                with self._lock:
                    self._sockets += [client, server]
                self._join(client, server)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        # ValueError: the socket was closed meanwhile, and `select` gets -1.
        with suppress(OSError, ValueError):
            while piece := _received(source):
                if not self._may_pass(piece):
                    break
                self._flows.wait()
                sink.sendall(piece)
        self._end(source)
        self._end(sink)

    def _may_pass(self, piece: bytes) -> bool:
        """Count a piece; return False if it must not be forwarded. With HANG the caller waits first."""
        self._count(len(piece))
        return self._how in (None, Break.HANG)

    def _count(self, size: int) -> None:
        with self._lock:
            if self._left is None or self.broken.is_set():
                return
            self._left -= size
            if self._left > 0:
                return
            self._left, self._how = None, self._then
            if self._how is Break.HANG:
                self._flows.clear()
            self.broken.set()
        if self._how is not Break.HANG:
            self._end_all(rudely=self._how is Break.RESET)

    def _end_all(self, *, rudely: bool = False) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            self._end(each, rudely=rudely)

    @staticmethod
    def _end(each: socket.socket, *, rudely: bool = False) -> None:
        with suppress(OSError):
            if rudely:  # with a linger time of zero, closing sends a TCP reset
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                each.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            each.close()


def _received(source: socket.socket) -> bytes:
    """Return the next data; b"" at the end.

    Polls instead of blocking, since a socket closed by another thread stays open while a thread reads from it.
    """
    while not select.select([source], [], [], 0.1)[0]:
        pass
    return source.recv(65536)


class Gate(Proxy):
    """A proxy in front of SCM. Closed, it holds orders (POST) or their responses until it is opened or drops them.

    `arrived` is set once something is held. Other requests always pass.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.hold_requests = False
        self.hold_answers = False
        self.arrived = threading.Event()
        self._open = threading.Event()
        self._open.set()
        self._drop = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.set()
        super().__exit__(kind, error, trace)

    def close(self, *, requests: bool = False, answers: bool = False) -> None:
        """Hold orders, or SCM's responses to them, from now on."""
        self.arrived.clear()
        self._open.clear()
        self._drop = False
        self.hold_requests, self.hold_answers = requests, answers

    def open(self) -> None:
        """Let everything pass again, including what is held."""
        self.hold_requests = self.hold_answers = False
        self._open.set()

    def drop(self) -> None:
        """Discard what is held (its connections are closed), and let everything pass from now on."""
        self._drop = True
        self.open()

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        is_order = threading.Event()
        for source, sink, is_answer in ((client, server, False), (server, client, True)):
            pump = threading.Thread(
                target=self._pump_held, args=(source, sink, is_answer, is_order), daemon=True
            )
            pump.start()

    def _pump_held(
        self,
        source: socket.socket,
        sink: socket.socket,
        is_answer: bool,
        is_order: threading.Event,
    ) -> None:
        # ValueError: the socket was closed meanwhile, and `select` gets -1.
        with suppress(OSError, ValueError):
            while piece := _received(source):
                # Our client opens a new connection for each POST, so the whole connection is the order's.
                if not is_answer and piece.startswith(b"POST "):
                    is_order.set()
                held = self.hold_answers if is_answer else self.hold_requests
                if held and is_order.is_set():
                    self.arrived.set()
                    self._open.wait()
                    if self._drop:
                        break
                sink.sendall(piece)
        self._end(source)
        self._end(sink)
