"""Tests of what is said when SCM cannot be reached: words for people, not names of classes."""

import socket

import pytest
import requests

from certline.workers.scm.transport.http import Limits, TransportFault, exchange


def fault_of(url: str) -> TransportFault:
    found = exchange(requests.Session(), "GET", url, Limits(connect=2, read=1, most_bytes=100))
    assert isinstance(found, TransportFault)
    return found


@pytest.fixture
def silent() -> socket.socket:
    """Return a socket that accepts connections and never answers."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_closed_port_an_unknown_host_and_a_silent_server_are_said_in_words(
    silent: socket.socket,
) -> None:
    with silent, socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but it does not listen
        closed = fault_of(f"http://127.0.0.1:{unused.getsockname()[1]}/")
        nobody = fault_of("http://scm.invalid/")
        late = fault_of(f"http://127.0.0.1:{silent.getsockname()[1]}/")

    assert (closed.why, closed.written) == ("no connection: Connection refused", False)
    assert (nobody.why, nobody.written) == ("its host name is not known", False)
    assert late.why == "no answer within the time-out"
