"""Lookup of a host's addresses with a time limit, which `socket.getaddrinfo` doesn't have.

A lookup that takes too long goes on in a thread of its own until the system's resolver gives it up. One name has
at most one such thread, and all names together MOST, so a name server that doesn't answer costs no more.
"""

import socket
import threading
from concurrent.futures import Future

# Lookups under way at a time.
MOST = 16

_lock = threading.Lock()
_under_way: dict[tuple[str, int], Future[list[str]]] = {}


def look_up(host: str, port: int, *, within: float) -> list[str]:
    """Return the addresses of a host. `within`: seconds.

    Raises TimeoutError if they aren't known by then, another OSError if the host has none, and UnicodeError for a
    text that can't be a host's name.
    """
    with _lock:
        found = _under_way.get((host, port))
        if found is None:
            if len(_under_way) >= MOST:
                raise TimeoutError(f"{MOST} other names are being looked up")
            found = _begin(host, port)
    return found.result(timeout=within)


def _begin(host: str, port: int) -> Future[list[str]]:
    """Start a lookup, with the lock held. Raises OSError if there can be no further thread."""
    found: Future[list[str]] = Future()

    def work() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))
        except (OSError, UnicodeError) as fault:
            found.set_exception(fault)
        finally:
            with _lock:
                del _under_way[host, port]

    # A daemon, so that a stop of the process doesn't wait for a name server.
    thread = threading.Thread(target=work, name="lookup", daemon=True)
    _under_way[host, port] = found
    try:
        thread.start()
    except RuntimeError as full:
        del _under_way[host, port]
        raise OSError(str(full)) from None
    return found
