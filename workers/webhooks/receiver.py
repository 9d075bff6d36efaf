"""Send one POST to a webhook: to a checked address, without proxy, redirect or retry, within a time limit.

Only the status and Retry-After of the response count; its body is not read.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException

from certline.workers.webhooks.targets import BadTargetError, Target, addresses_of, target_of

# Time limits in seconds: to connect to one address, and for the whole exchange once connected.
CONNECT, WHOLE = 5.0, 10.0
# Addresses tried of a host that has several.
MOST_ADDRESSES = 3
# Upper limit, in seconds, of a receiver's Retry-After.
LONGEST_PAUSE = 86_400


class NotPostedError(Exception):
    """No response was received, though the receiver may have the event; the text says what happened."""


@dataclass(frozen=True)
class ReceiverResponse:
    """The receiver's response. `retry_after` is in seconds, 0 if the receiver gave none."""

    status: int
    retry_after: int = 0


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool
) -> ReceiverResponse:
    """Send one POST and return the response's status, whatever it is.

    Raises BadTargetError for a URL or address that is not allowed, and NotPostedError if no response came.
    """
    target = target_of(url, allow_private=allow_private)
    try:
        addresses = addresses_of(target, allow_private=allow_private)
    except BadTargetError:
        raise
    except (OSError, UnicodeError) as error:
        raise NotPostedError(f"{target.host} has no address: {_words(error)}") from None
    try:
        connected = _connect(addresses, target.port)
    except OSError as error:
        raise NotPostedError(f"{target.place} cannot be reached: {_words(error)}") from None
    end = time.monotonic() + WHOLE
    try:
        with connected, _secured(connected, target) as secured, _cut_off(secured):
            return _exchange(secured, target, headers, body)
    except (OSError, HTTPException, ValueError) as error:
        late = time.monotonic() >= end or isinstance(error, TimeoutError)
        why = f"did not answer within {WHOLE:.0f} s" if late else f"broke off: {_words(error)}"
        raise NotPostedError(f"{target.place} {why}") from None


class _Connection(HTTPConnection):
    """HTTP over an open connection. It never connects by host name, which might resolve to another address."""

    def __init__(self, target: Target, connected: socket.socket) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80
        self.sock = connected

    def connect(self) -> None:
        """Refuse to connect again: `http.client` would do so automatically once it is closed."""
        raise NotPostedError("the connection was closed")


def _connect(addresses: list[str], port: int) -> socket.socket:
    trouble = OSError("there is no address")
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return socket.create_connection((address, port), CONNECT)
        except OSError as error:
            trouble = error
    raise trouble


def _secured(connected: socket.socket, target: Target) -> socket.socket:
    """Return the connection with its time-out, and for https with TLS that has yet to shake hands."""
    connected.settimeout(WHOLE)
    if target.scheme != "https":
        return connected
    # The connection goes to an address, but the certificate has to be valid for the host's name.
    # Wrapping takes the connection away from `connected`, so the timer has to hold the wrapped socket; and it
    # has to hold that one before the handshake, which a receiver may draw out too.
    return _context().wrap_socket(
        connected, server_hostname=target.host, do_handshake_on_connect=False
    )


@contextmanager
def _cut_off(connected: socket.socket) -> Iterator[None]:
    """Shut the connection down if the block lasts longer than WHOLE.

    A socket's time-out applies to each read, so a response in small pieces could take for ever.
    """
    cut = threading.Timer(WHOLE, _cut, [connected])
    cut.daemon = True
    cut.start()
    try:
        yield
    finally:
        cut.cancel()


def _exchange(
    connected: socket.socket, target: Target, headers: Mapping[str, str], body: bytes
) -> ReceiverResponse:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = _Connection(target, connected)
    try:
        connection.request("POST", target.path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        asked = response.getheader("Retry-After", "").strip()
        # Retry-After may also be a date, which is ignored. Nine digits are far above the limit, and keep a
        # hostile number short.
        pause = min(int(asked[:9]), LONGEST_PAUSE) if asked.isdecimal() else 0
        return ReceiverResponse(response.status, pause)
    finally:
        connection.close()


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
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
