"""A gate in front of a name server, where a worker dies while a dynamic update passes."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import dns.message
import dns.opcode
import dns.tsigkeyring
import dns.update

from tests.servers.dns import DnsServer
from tests.servers.name_servers import ALGORITHM

# Called with the moment that has come; True: the message, or its answer, is not passed on.
Moment = Callable[[str], bool]
# Bytes of a message's length (RFC 1035, 4.2.2), and of its header.
LENGTH, HEADER = 2, 12


class DnsGate:
    """A proxy, over TCP, to the primary of the tests' name servers. `server`: its address and port.

    `moment` is called before and after each update: `publish before`, `publish after`, `withdraw before`,
    `withdraw after`.
    """

    def __init__(self, dns: DnsServer, moment: Moment) -> None:
        self._target = (dns.host, dns.port)
        self._ring = dns_ring(dns)
        self._moment = moment
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.server = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target, 10) as server:
            while (message := _read(client)) is not None:
                deed = self._deed(message)
                if deed is not None and self._moment(f"{deed} before"):
                    return
                server.sendall(len(message).to_bytes(LENGTH) + message)
                answer = _read(server)
                if answer is None or (deed is not None and self._moment(f"{deed} after")):
                    return
                client.sendall(len(answer).to_bytes(LENGTH) + answer)

    def _deed(self, message: bytes) -> str | None:
        """Return what an update does; None for a question."""
        if len(message) < HEADER or (message[2] >> 3) & 15 != dns.opcode.UPDATE:
            return None
        update = dns.message.from_wire(message, keyring=self._ring)
        assert isinstance(update, dns.update.UpdateMessage)
        return "withdraw" if any(group.deleting for group in update.update) else "publish"


def dns_ring(server: DnsServer) -> dict[dns.name.Name, dns.tsig.Key]:
    """Return the key that updates are signed with, as dnspython takes it."""
    key = {server.tsig_name: (ALGORITHM, server.tsig_secret)}
    ring: dict[dns.name.Name, dns.tsig.Key] = dns.tsigkeyring.from_text(key)
    return ring


def _read(connection: socket.socket) -> bytes | None:
    """Return the next message, or None at the end."""
    length = _exactly(connection, LENGTH)
    return None if length is None else _exactly(connection, int.from_bytes(length))


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        piece = connection.recv(size - len(found))
        if not piece:
            return None
        found += piece
    return found
