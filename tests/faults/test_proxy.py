"""Tests of the proxy itself: unless it fails as set, the tests that use it prove nothing."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from tests.gate import Break, Proxy
from tests.servers import until

PIECE = b"x" * 100


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Yield a proxy in front of an echo server."""
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(client: socket.socket) -> None:
        with suppress(OSError), client:
            while piece := client.recv(1000):
                client.sendall(piece)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=echo, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with Proxy(f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}/api") as proxy:
        yield proxy
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def connect(proxy: Proxy) -> socket.socket:
    """Return a client's connection."""
    return socket.create_connection(("127.0.0.1", urlsplit(proxy.url).port or 0), timeout=5)


def say(client: socket.socket) -> bytes:
    """Send a piece. Returns the bytes received."""
    client.sendall(PIECE)
    return client.recv(1000)


def test_unbroken_it_forwards_and_keeps_the_rest_of_the_url(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert say(client) == PIECE
    assert proxy.url.startswith("http://me:secret@127.0.0.1:")
    assert proxy.url.endswith("/api")


def test_dropped_connections_end_and_new_ones_end_at_once(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert say(client) == PIECE
        proxy.break_off(Break.DROP)
        assert client.recv(1000) == b""
    with connect(proxy) as client:
        assert client.recv(1000) == b""


def test_a_reset_is_rude(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert say(client) == PIECE
        proxy.break_off(Break.RESET)
        with pytest.raises(ConnectionResetError):
            client.recv(1000)


def test_what_hangs_arrives_once_it_is_mended(proxy: Proxy) -> None:
    with connect(proxy) as client:
        assert say(client) == PIECE
        proxy.break_off(Break.HANG)
        client.sendall(PIECE)
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1000)
        client.settimeout(5)
        proxy.mend()
        assert client.recv(1000) == PIECE


def test_it_breaks_after_so_many_bytes_and_works_again_when_mended(proxy: Proxy) -> None:
    with connect(proxy) as client:
        proxy.break_off(Break.DROP, after=3 * len(PIECE))
        assert say(client) == PIECE
        assert not proxy.broken.is_set()
        client.sendall(PIECE)
        assert client.recv(1000) == b""
    until(proxy.broken.is_set, 5)
    proxy.mend()
    with connect(proxy) as client:
        assert say(client) == PIECE
    assert proxy.attempts == 2
