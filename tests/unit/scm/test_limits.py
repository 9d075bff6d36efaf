"""Tests that reading a response ends, however long the server would continue."""

import socket
import time

import pytest
import requests

from certline.workers.scm import Garbled, Login, OutcomeUnknown, ReportQuery, ScmClient
from certline.workers.scm.transport import caller
from certline.workers.scm.transport.http import Limits, TransportFault, exchange
from tests.unit.scm.odd_server import Drip, OddServer, as_json, http

FOR_EVER = Drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000)


def a_client(server: OddServer, **settings: float) -> ScmClient:
    return ScmClient(Login(server.url, "c", "l", "secret"), **settings)  # type: ignore[arg-type]


def test_an_answer_in_drips_ends_after_three_time_outs() -> None:
    with OddServer([FOR_EVER]) as server:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match=r"too long|time-out"):
            a_client(server, read_timeout=0.3).details(5)

    assert 0.8 < time.monotonic() - began < 3


@pytest.mark.slow
def test_a_report_has_time_of_its_own() -> None:
    slow = Drip(b'HTTP/1.1 200 OK\r\n\r\n{"statusCode":0}')
    with OddServer([slow]) as server:
        assert (
            a_client(server, read_timeout=0.15, report_timeout=30).ssl_report(ReportQuery()) == []
        )

        with pytest.raises(OutcomeUnknown):
            a_client(server, read_timeout=30, report_timeout=0.15).ssl_report(ReportQuery())


@pytest.mark.slow
def test_a_connection_waits_as_long_for_the_next_answer() -> None:
    with OddServer([as_json("200 OK", [])]) as server:
        client = a_client(server, read_timeout=0.5)
        for _ in range(3):
            client.organizations()
            time.sleep(0.6)  # longer than the whole deadline

        assert server.connections == 1


def test_an_answer_larger_than_any_is_garbled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "MOST_BYTES", 10_000)
    large = http("200 OK", b"[" + b" " * 10_000 + b"]")
    with OddServer([large]) as server, pytest.raises(Garbled, match="more than 10000 bytes"):
        a_client(server).organizations()


def test_a_report_may_be_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "MOST_BYTES", 10)
    with OddServer([as_json("200 OK", {"statusCode": 0, "reports": []})]) as server:
        assert a_client(server).ssl_report(ReportQuery()) == []


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
