"""The board's HTTP server."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

HOST, PORT = "127.0.0.1", 8600
# Seconds: for an idle connection, for requests that are under way when the board stops, to start and to stop.
KEEP_ALIVE, GRACE, TO_START, TO_STOP = 75, 6, 30, 10
# Connections at once; more are refused, so that the line's machine stays usable.
MOST_CONNECTIONS = 1_000


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; port 0 picks a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextmanager
def serving(app: Starlette, listener: socket.socket) -> Iterator[None]:
    """Serve an application in a thread of its own for the length of the block.

    Raises TimeoutError if it does not start within 30 seconds.
    """
    server = BoardServer(app)
    thread = threading.Thread(target=server.run, args=([listener],), name="board", daemon=True)
    thread.start()
    try:
        if not server.is_up.wait(TO_START):
            raise TimeoutError(f"the board did not start within {TO_START} s")
        yield
    finally:
        server.should_exit = True
        # The thread is a daemon: a connection that does not end holds nobody up for longer.
        thread.join(TO_STOP)
        listener.close()


class BoardServer(uvicorn.Server):
    """Server in a thread, whose signals the process itself handles. `is_up`: set once it listens."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                # Who the user is decides the board itself, by an address that cannot be forged.
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, and tell that it is up."""
        await super().startup(sockets)
        self.is_up.set()
