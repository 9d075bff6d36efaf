"""The board's HTTP server."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from starlette.applications import Starlette

from certline.board.access.policy import AccessPolicy
from certline.board.app import build_app
from certline.board.connection import OpenConnections, protocol_of
from certline.board.context import BoardContext, open_context
from certline.board.pages.calendar.calendar_request import count_ahead
from certline.models.settings import Settings
from certline.producers.processes import until_told
from certline.workers.process.logs import configure

log = structlog.get_logger()

HOST, PORT = "127.0.0.1", 8600
# Seconds: for an idle connection, for requests that are under way when the board stops, to start and to stop.
KEEP_ALIVE, GRACE, TO_START, TO_STOP = 75, 6, 30, 10


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
                http=protocol_of(OpenConnections(app.state.access.is_proxy)),
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, and tell that it is up."""
        await super().startup(sockets)
        self.is_up.set()


def run_board(
    board: BoardContext,
    access: AccessPolicy,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> int:
    """Serve the board until the process is told to stop. Returns the exit code.

    `announce` is called with its address once it listens.
    """
    configure(board.settings, "board")
    try:
        with until_told() as stop, serving(build_app(board, access), listener):
            url = url_of(listener)
            log.info("page.listens", url=url)
            count_ahead(board)
            announce(url)
            stop.wait()
    finally:
        board.close()
    log.info("page.stopped")
    return 0


@contextmanager
def beside(settings: Settings, access: AccessPolicy, port: int) -> Iterator[str | None]:
    """Serve the board beside other parts of this process. Yields its address; None if the port cannot be had."""
    try:
        listener = listen(access.host, port)
    except OSError as error:
        log.warning("page.not_served", host=access.host, port=port, error=error.strerror)
        yield None
        return
    board = open_context(settings)
    try:
        with serving(build_app(board, access), listener):
            count_ahead(board)
            yield url_of(listener)
    finally:
        board.close()
