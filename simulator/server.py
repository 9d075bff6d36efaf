"""Runs the simulator, either as this process or in a thread beside a test."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from certline.simulator.app import build
from certline.simulator.settings import HOST, PORT, SimSettings

# Longer than any client keeps an idle connection, so that connections are only closed by injected faults.
KEEP_ALIVE_SECONDS = 300
SECONDS_TO_START = 30
# More than the two that the server gives its connections.
SECONDS_TO_STOP = 5


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: the URLs of its API and its control door, and its root certificate in PEM."""

    url: str
    door: str
    root_pem: str


class Connection(H11Protocol):
    """HTTP connection that gives the application access to its transport, so that faults can close it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Store the transport in `app_state`, which uvicorn copies into the scope of every request."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Server(uvicorn.Server):
    """Server that calls `listening` once it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self.listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server, then call `listening`."""
        await super().startup(sockets)
        self.listening()


def serve(
    host: str = HOST,
    port: int = PORT,
    *,
    seed_orders: int = 0,
    seed: int = 1,
    latency_ms: int = 0,
    issue_after_ms: int = 1000,
    auto_approve: bool = True,
    dcv_resolver: str = "",
    dcv_http: str = "",
    door_hosts: Sequence[str] = (),
    announce: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the simulator until a signal stops it; `announce` is called with the API's URL once it listens.

    `door_hosts`: names by which the control door may be called, besides `host` and those of the loopback network.
    With `dcv_resolver` or `dcv_http`, each `HOST:PORT`, the CA looks whether proofs are really there.

    Raises ValueError if one of these two isn't an address, and OSError if the address can't be bound.
    """
    settings = SimSettings(
        latency_ms=latency_ms, issue_after_ms=issue_after_ms, auto_approve=auto_approve
    )
    proofs = {"dcv_resolver": dcv_resolver, "dcv_http": dcv_http}
    settings.change({**proofs, "dcv_checks": any(proofs.values())})
    listener = _listener(host, port)
    names = [host, *door_hosts]
    app, _ = build(settings, seed_orders, seed=seed, base=_base(listener), door_hosts=names)
    url = f"{_base(listener)}/api"
    Server(_config(app), lambda: announce(url)).run([listener])


@contextmanager
def running(
    port: int = 0,
    *,
    host: str = HOST,
    seed_orders: int = 0,
    seed: int = 1,
    door_hosts: Sequence[str] = (),
    **options: Any,
) -> Iterator[Simulator]:
    """Run a simulator in a thread of this process, by default on a free port; `options` are its settings.

    `host`: the address that it listens on. Raises TimeoutError if it doesn't start within 30 seconds.
    """
    listener = _listener(host, port)
    base = _base(listener)
    switches = SimSettings(**options)
    app, scm = build(switches, seed_orders, seed=seed, base=base, door_hosts=door_hosts)
    up = threading.Event()
    server = Server(_config(app), up.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="simulator", daemon=True)
    thread.start()
    try:
        if not up.wait(SECONDS_TO_START):
            raise TimeoutError(f"the simulator did not start within {SECONDS_TO_START} s")
        yield Simulator(f"{base}/api", f"{base}/_sim", scm.authority.root_pem)
    finally:
        server.should_exit = True
        # The thread is a daemon: a connection that does not end holds nobody up for longer.
        thread.join(SECONDS_TO_STOP)
        listener.close()


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        # The control door needs the real address of the caller, not one from a forwarding header.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm only if the socket's protocol is given; with Nagle, a response sent in
    # two writes is delayed by 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _base(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
