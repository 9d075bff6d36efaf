"""A TCP proxy before a server, which can fail as networks do, or keep an order or its answer on the way."""

import select
import socket
import struct
import threading
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# Of the servers that are proxied, where their URL has none.
PORTS = {"http": 80, "postgresql": 5432, "amqp": 5672}


class Break(StrEnum):
    """How a network fails."""

    DROP = "drop"  # connections are closed, and new ones too
    RESET = "reset"  # the same, rudely: what is under way is thrown away
    HANG = "hang"  # connections stay, new ones come about, and nothing arrives


class Proxy:
    """Forwards to the server of a URL, until it breaks; `url` is its own address for the same.

    `broken` is set once it has broken. `attempts` counts the connections that were asked for.
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
        # Bytes that still pass before it breaks, and how then.
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
        """Break now, or once so many bytes more have passed in either direction."""
        with self._lock:
            self.broken.clear()
            self._left, self._then = after, how
        if not after:
            self._count(0)

    def mend(self) -> None:
        """Work again. What hung goes on as if nothing had happened."""
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
                except OSError:  # it is away
                    self._end(client)
                    continue
                with self._lock:
                    self._sockets += [client, server]
                self._join(client, server)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        # ValueError: it has been closed meanwhile.
        with suppress(OSError, ValueError):
            while piece := _received(source):
                if not self._may_pass(piece):
                    break
                self._flows.wait()
                sink.sendall(piece)
        self._end(source)
        self._end(sink)

    def _may_pass(self, piece: bytes) -> bool:
        """Whether a piece goes on; it may have to wait for that."""
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
            if rudely:  # closed with a time of zero, TCP sends a reset
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                each.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            each.close()


def _received(source: socket.socket) -> bytes:
    """The next piece. Never blocked for long: while a thread reads, a closed socket stays open."""
    while not select.select([source], [], [], 0.1)[0]:
        pass
    return source.recv(65536)


class Gate(Proxy):
    """A proxy before SCM; closed, it keeps orders (POST) or their answers until it opens or drops them.

    `arrived` is set once something is being held. Reads always pass.
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
        """Hold orders, or SCM's answers to them, from now on."""
        self.arrived.clear()
        self._open.clear()
        self._drop = False
        self.hold_requests, self.hold_answers = requests, answers

    def open(self) -> None:
        """Let everything through again, and what is held with it."""
        self.hold_requests = self.hold_answers = False
        self._open.set()

    def drop(self) -> None:
        """Throw away what is held, and let everything through from now on."""
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
        # ValueError: it has been closed meanwhile.
        with suppress(OSError, ValueError):
            while piece := _received(source):
                # The client makes a connection of its own for each POST.
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
