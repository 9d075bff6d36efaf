"""Send one POST to a webhook: to a checked address, without proxy, redirect or retry, within one time limit.

Only the status and Retry-After of the response count; its body is not read.
"""

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.client import HTTPConnection
from typing import Any

from certline.workers.webhooks.deadline import Deadline
from certline.workers.webhooks.response_head import (
    OddResponseError,
    ReceiverResponse,
    read_response,
)
from certline.workers.webhooks.targets import BadTargetError, Target, addresses_of, target_of

# Time limits in seconds: for a delivery as a whole (lookup of the name, connection, TLS, request, response), and
# within that to connect to one address.
WHOLE, CONNECT = 10.0, 4.0
# Addresses tried of a host that has several.
MOST_ADDRESSES = 3


class NotPostedError(Exception):
    """No response was received, though the receiver may have the event; the text says what happened."""


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool
) -> ReceiverResponse:
    """Send one POST and return the response's status, whatever it is.

    Raises BadTargetError for a URL or address that is not allowed, and NotPostedError if no complete head of a
    response came within WHOLE seconds.
    """
    deadline = Deadline(WHOLE)
    target = target_of(url, allow_private=allow_private)
    try:
        addresses = addresses_of(target, allow_private=allow_private, within=deadline.left())
    except BadTargetError:
        raise
    except TimeoutError:
        why = f"has no address: its name was not resolved within {WHOLE:.0f} s"
        raise NotPostedError(f"{target.host} {why}") from None
    except (OSError, UnicodeError) as error:
        raise NotPostedError(f"{target.host} has no address: {_words(error)}") from None
    try:
        connected = _connect(addresses, target.port, deadline)
    except OSError as error:
        raise NotPostedError(f"{target.place} cannot be reached: {_words(error)}") from None
    try:
        with (
            connected,
            _secured(connected, target) as secured,
            _cut_off(secured, deadline),
        ):
            return _exchange(secured, target, headers, body, deadline)
    except (OSError, OddResponseError, ValueError) as error:
        late = deadline.is_over or isinstance(error, TimeoutError)
        why = f"did not answer within {WHOLE:.0f} s" if late else f"broke off: {_words(error)}"
        raise NotPostedError(f"{target.place} {why}") from None


class _Connection(HTTPConnection):
    """Writes a request to an open connection. It never connects by host name, which might resolve differently."""

    def __init__(self, target: Target, connected: socket.socket, deadline: Deadline) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80
        self.sock = connected
        self._deadline = deadline

    def send(self, data: Any) -> None:
        """Send bytes, within the deadline. `SSLSocket.sendall` would begin its time-out anew with each piece."""
        rest = memoryview(data)
        while rest:
            self.sock.settimeout(self._deadline.left())
            rest = rest[self.sock.send(rest) :]


def _connect(addresses: list[str], port: int, deadline: Deadline) -> socket.socket:
    trouble = OSError("there is no address")
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return socket.create_connection((address, port), min(CONNECT, deadline.left()))
        except OSError as error:
            trouble = error
    raise trouble


def _secured(connected: socket.socket, target: Target) -> socket.socket:
    """Return the connection, for https with TLS that has yet to shake hands."""
    if target.scheme != "https":
        return connected
    # The connection goes to an address, but the certificate has to be valid for the host's name.
    # Wrapping takes the connection away from `connected`, so whatever limits the time has to hold the wrapped
    # socket; and before the handshake, which a receiver may draw out too.
    return _context().wrap_socket(
        connected, server_hostname=target.host, do_handshake_on_connect=False
    )


@contextmanager
def _cut_off(connected: socket.socket, deadline: Deadline) -> Iterator[None]:
    """Shut the connection down if the block outlasts the deadline.

    Every read and write has what is left of the deadline as its time-out. This is for what happens within one of
    them: OpenSSL goes on reading as long as a receiver sends messages of TLS itself, such as session tickets.
    """
    cut = threading.Timer(deadline.left(), _cut, [connected])
    cut.daemon = True
    cut.start()
    try:
        yield
    finally:
        cut.cancel()


def _exchange(
    connected: socket.socket,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    deadline: Deadline,
) -> ReceiverResponse:
    if isinstance(connected, ssl.SSLSocket):
        connected.settimeout(deadline.left())  # that of the whole handshake
        connected.do_handshake()
    request = _Connection(target, connected, deadline)
    request.request("POST", target.path, body, {**headers, "Connection": "close"})
    return read_response(connected, deadline)


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        # The plain socket's method: SSLSocket.shutdown also drops its TLS state, which the reading thread uses.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


@cache
def _context() -> ssl.SSLContext:
    """Return a TLS context with the system's root certificates, or those of OpenSSL's SSL_CERT_FILE."""
    return ssl.create_default_context()


def _words(error: Exception) -> str:
    """Describe an error without any text sent by the receiver, which may contain secrets."""
    if isinstance(error, OddResponseError):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
