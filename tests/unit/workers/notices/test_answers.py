"""Tests that a service which answers without end costs neither memory nor a thread."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from certline.models.notices.words import test_letter as letter_of_test
from certline.workers.notices import channel
from certline.workers.notices.answers import LARGEST


@pytest.fixture
def endless() -> Iterator[tuple[int, list[int]]]:
    """Yield the port of a server that answers without end, and the bytes that it has sent to each client."""
    sent: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            sent.append(0)
            with client, suppress(OSError):
                client.recv(65_536)
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                while sent[0] < 100 * LARGEST:
                    sent[0] += client.send(bytes(65_536))

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], sent


def test_an_answer_without_end_is_cut(endless: tuple[int, list[int]]) -> None:
    port, sent = endless

    assert channel.send(f"json://127.0.0.1:{port}", letter_of_test("ops", "os:ida")) == (
        "its answer is too long"
    )
    assert sent[0] < 50 * LARGEST  # with what the system has taken from the server


def test_an_answer_that_takes_for_ever_keeps_no_thread(
    endless: tuple[int, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "WHOLE", 0.0)

    channel.send(f"json://127.0.0.1:{endless[0]}", letter_of_test("ops", "os:ida"))

    until = time.monotonic() + 10
    while time.monotonic() < until and "notice" in [each.name for each in threading.enumerate()]:
        time.sleep(0.01)
    assert "notice" not in [each.name for each in threading.enumerate()]
    assert endless[1][0] < 50 * LARGEST
