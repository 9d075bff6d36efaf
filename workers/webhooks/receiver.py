"""One POST to a webhook: to the address that was checked, with no proxy, no redirect and no second
try, and with an end. Of the answer only its status counts; its body is not read.
"""

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException

from certline.workers.webhooks.targets import BadTargetError, Target, addresses_of, target_of

# Seconds: to connect to one address, and for all of it once connected.
CONNECT, WHOLE = 5.0, 10.0
# Of a host with many addresses so many are tried.
MOST_ADDRESSES = 3
# Seconds: a receiver may ask for no longer a pause.
LONGEST_PAUSE = 86_400


class NotPostedError(Exception):
    """No answer came. The receiver may have the event all the same; the text says what happened."""


@dataclass(frozen=True)
class Answer:
    """What the receiver said. `retry_after` in seconds, where it named a pause."""

    status: int
    retry_after: int = 0


def post(url: str, headers: Mapping[str, str], body: bytes, *, allow_private: bool) -> Answer:
    """Post once. Raises NotPostedError, and BadTargetError for an address that is not allowed."""
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
    # A time-out of the socket is one for each piece: an answer in drips would have no end.
    cut = threading.Timer(WHOLE, _cut, [connected])
    cut.daemon = True
    cut.start()
    try:
        with connected:
            return _exchange(connected, target, headers, body)
    except (OSError, HTTPException, ValueError) as error:
        late = time.monotonic() >= end or isinstance(error, TimeoutError)
        why = f"did not answer within {WHOLE:.0f} s" if late else f"broke off: {_words(error)}"
        raise NotPostedError(f"{target.place} {why}") from None
    finally:
        cut.cancel()


class _Connection(HTTPConnection):
    """HTTP over a connection that is there already; it never makes one by the name."""

    def __init__(self, target: Target, connected: socket.socket) -> None:
        super().__init__(target.host, target.port)
        self.default_port = 443 if target.scheme == "https" else 80
        self.sock = connected

    def connect(self) -> None:
        """It was closed: there is no second try."""
        raise NotPostedError("the connection was closed")


def _connect(addresses: list[str], port: int) -> socket.socket:
    trouble = OSError("there is no address")
    for address in addresses[:MOST_ADDRESSES]:
        try:
            return socket.create_connection((address, port), CONNECT)
        except OSError as error:
            trouble = error
    raise trouble


def _exchange(
    connected: socket.socket, target: Target, headers: Mapping[str, str], body: bytes
) -> Answer:
    connected.settimeout(WHOLE)
    if target.scheme == "https":
        connected = _context().wrap_socket(connected, server_hostname=target.host)
    connection = _Connection(target, connected)
    try:
        connection.request("POST", target.path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        asked = response.getheader("Retry-After", "").strip()
        pause = min(int(asked[:9]), LONGEST_PAUSE) if asked.isdecimal() else 0
        return Answer(response.status, pause)
    finally:
        connection.close()


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        # The plain one: that of a TLS socket would take its state from under the thread that reads.
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


@cache
def _context() -> ssl.SSLContext:
    """The system's roots, or those of OpenSSL's SSL_CERT_FILE."""
    return ssl.create_default_context()


def _words(error: Exception) -> str:
    """What happened, without anything that the receiver sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason})"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return type(error).__name__
