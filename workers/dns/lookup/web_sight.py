"""The look for a file: one GET, as the CA makes it, without redirect, and limited in time and size."""

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from certline.workers.dns.lookup.resolution import (
    LookupFault,
    Resolution,
    TimeLeft,
    addresses_of_host,
)
from certline.workers.dns.proof import Proof

# Bytes of a file that are read. A proof has two or three short lines.
LARGEST = 16 * 1024
# Seconds for a connection, and for each piece of a response.
PIECE = 5.0
# Characters of what was found that are repeated.
LONGEST = 120


def look_at_file(proof: Proof, how: Resolution) -> tuple[bool, str]:
    """Return (whether the lines of a proof are at its URL, what was found). Never raises."""
    expected = f"expected {_quoted(proof.value)} at {proof.name}"
    try:
        found = _fetch(proof.name, how)
    except ValueError as error:
        return False, f"{expected}; this is no URL that can be asked: {error}"
    except LookupFault as fault:
        return False, f"{expected}; {fault}"
    except (OSError, HTTPException) as error:
        late = isinstance(error, TimeoutError)
        why = "no complete answer in time" if late else _why(error)
        return False, f"{expected}; {why}"
    if isinstance(found, str):
        return False, f"{expected}; {found}"
    if found is not None and _lines(found.decode(errors="replace")) == _lines(proof.value):
        return True, f"{_quoted(proof.value)} is seen at {proof.name}"
    return False, f"{expected}; found {_quoted(found.decode(errors='replace'))}"


def _fetch(url: str, how: Resolution) -> bytes | str:
    """Return the content, or in words what came in its place.

    Raises ValueError, LookupFault, OSError, HTTPException.
    """
    deadline = TimeLeft(how.within)
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise ValueError("it has to be http:// or https://, with a host and without a login")
    # Looked up here, since the connection's own lookup has no time limit and asks no other resolver.
    addresses = addresses_of_host(host, how, deadline)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(host, parts.port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with _closed_in_time(connection, deadline):
        _connect(connection, addresses, deadline)
        connection.request("GET", path, headers={"User-Agent": "certline", "Accept": "*/*"})
        response = connection.getresponse()
        return _content(response)


def _content(response: HTTPResponse) -> bytes | str:
    if 300 <= response.status < 400:
        where = _quoted(response.headers.get("Location") or "nowhere")
        return f"found a redirect ({response.status}) to {where}; the file has to be at this URL itself"
    if response.status != 200:
        return f"found status {response.status}"
    content = response.read(LARGEST + 1)
    return content if len(content) <= LARGEST else f"found more than {LARGEST} bytes"


def _connect(connection: HTTPConnection, addresses: Sequence[str], deadline: TimeLeft) -> None:
    """Connect to the first of the addresses that takes the connection. Raises OSError."""
    for number, address in enumerate(addresses, 1):
        try:
            plain = socket.create_connection((address, connection.port), deadline.left(PIECE))
        except OSError:
            if number == len(addresses) or deadline.is_over:
                raise
            continue
        connection.sock = plain
        break
    if isinstance(connection, HTTPSConnection):
        # The CA looks whether the file is there, not whether the certificate is valid: it may have ended, which is
        # why the domain is validated. Nothing secret is sent, and what is read is compared with what is expected.
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        secured = unverified.wrap_socket(
            connection.sock, server_hostname=connection.host, do_handshake_on_connect=False
        )
        connection.sock = secured
        secured.do_handshake()


@contextmanager
def _closed_in_time(connection: HTTPConnection, deadline: TimeLeft) -> Iterator[None]:
    """Close a connection at the end of the block, or once the time is up, whatever it waits for.

    A server that sends a byte now and then would keep within every time-out of a socket.
    """
    is_over = threading.Event()

    def cut() -> None:
        is_over.set()
        if connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(2)

    timer = threading.Timer(deadline.left(3600), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException):
        if is_over.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
        connection.close()


def _lines(text: str) -> list[str]:
    """Return the lines of a file; blanks at their ends, and empty lines at the file's end, do not count."""
    return [
        line.rstrip() for line in text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").rstrip().splitlines()
    ]


def _quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"the server cannot be reached ({error.strerror or type(error).__name__})"
    return f"the server's answer is no HTTP ({type(error).__name__})"
