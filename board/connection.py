"""Connections of the board's server: how long one may take to ask and to read, and how many there may be.

By itself uvicorn waits without a limit for the rest of a request, and for a client that does not read its answer;
while it has too many connections, it answers 503 to everybody.
"""

import asyncio
import resource
from collections.abc import Callable
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from certline.board.access.throttle import network_of

# Seconds for a request, its body included, from its first byte (the first one from the connection on); and for
# some 48 KiB of a response to be read.
ASKED_WITHIN, READ_WITHIN = 10.0, 30.0
# Connections at a time, of all and of one address. When one more comes, the oldest that waits for its client is
# closed, so that those who send nothing keep nobody out; a browser opens another one.
MOST, MOST_OF_ONE = 500, 100
# Descriptors that are left for the database, files and standard streams.
OTHER_DESCRIPTORS = 60


class BoardConnection(H11Protocol):
    """A connection that is closed if its client takes too long to ask, or to read."""

    table: ClassVar["OpenConnections"]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._to_ask: asyncio.TimerHandle | None = None
        self._to_read: asyncio.TimerHandle | None = None
        self.address = ""

    @property
    def waits_for_client(self) -> bool:
        """True unless a response is made or sent."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered or self._to_ask is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take a new connection, or close it if too many are busy."""
        super().connection_made(transport)
        self.address = network_of(self.client[0]) if self.client else ""
        self._to_ask = self.loop.call_later(ASKED_WITHIN, self.drop)
        if not self.table.admit(self):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.table.forget(self)
        self._stop_clocks()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request."""
        super().data_received(data)
        self._watch_request()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._watch_request()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._to_read = self.loop.call_later(READ_WITHIN, self.drop)

    def resume_writing(self) -> None:
        """Go on to send."""
        super().resume_writing()
        if self._to_read is not None:
            self._to_read.cancel()
            self._to_read = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, even if the client has not read the end of its last response."""
        self.drop()

    def drop(self) -> None:
        """Close the connection at once, whatever is still to be sent."""
        self.table.forget(self)
        self._stop_clocks()
        self.transport.abort()

    def _watch_request(self) -> None:
        """Start the clock when a request has begun, and stop it when it has come to its end."""
        state = self.conn.their_state
        begun = state is h11.SEND_BODY or (state is h11.IDLE and self.conn.trailing_data[0])
        if not begun and self._to_ask is not None:
            self._to_ask.cancel()
            self._to_ask = None
        elif begun and self._to_ask is None and not self.transport.is_closing():
            self._to_ask = self.loop.call_later(ASKED_WITHIN, self.drop)

    def _stop_clocks(self) -> None:
        for clock in (self._to_ask, self._to_read):
            if clock is not None:
                clock.cancel()
        self._to_ask = self._to_read = None


class OpenConnections:
    """Connections of one server, in the order of their arrival. To be used in the server's loop only.

    `is_shared`: True for the address of a proxy, whose connections are those of many people.
    """

    def __init__(self, is_shared: Callable[[str], bool], most: int | None = None) -> None:
        self._is_shared = is_shared
        self._most = most or most_connections()
        self._open: dict[BoardConnection, None] = {}
        self._by_address: dict[str, dict[BoardConnection, None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: BoardConnection) -> bool:
        """Add a connection, in place of another one if there are too many. Returns False if all are busy."""
        of_one = self._by_address.get(connection.address, {})
        peer = connection.client[0] if connection.client else ""
        if len(of_one) >= MOST_OF_ONE and not self._is_shared(peer) and not _drop_oldest(of_one):
            return False
        if len(self._open) >= self._most and not _drop_oldest(self._open):
            return False
        self._open[connection] = None
        self._by_address.setdefault(connection.address, {})[connection] = None
        return True

    def forget(self, connection: BoardConnection) -> None:
        """Remove a connection, if it is there."""
        self._open.pop(connection, None)
        of_one = self._by_address.get(connection.address, {})
        of_one.pop(connection, None)
        if not of_one:
            self._by_address.pop(connection.address, None)


def protocol_of(connections: OpenConnections) -> type[BoardConnection]:
    """Return the protocol of a server with these connections."""

    class ServedConnection(BoardConnection):
        """A connection of this one server."""

        table = connections

    return ServedConnection


def most_connections() -> int:
    """Return how many connections this process may have: each takes a descriptor."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else max(1, min(MOST, soft - OTHER_DESCRIPTORS))


def _drop_oldest(connections: dict[BoardConnection, None]) -> bool:
    """Close the oldest connection that waits for its client. Returns False if there is none."""
    for connection in connections:
        if connection.waits_for_client:
            connection.drop()
            return True
    return False
