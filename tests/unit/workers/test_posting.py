"""Tests of one POST to a receiver that misbehaves."""

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certline.workers.webhooks import receiver as posting
from certline.workers.webhooks.receiver import NotPostedError, post
from certline.workers.webhooks.response_head import ReceiverResponse
from certline.workers.webhooks.targets import BadTargetError
from tests.unit.keys.authority import Authority
from tests.unit.scm.odd_server import RESET, SILENCE, Drip, OddServer, http

TAKEN = http("204 No Content")


def at(url: str, *, allow_private: bool = True) -> ReceiverResponse:
    """Post to a URL."""
    return post(url, {"webhook-id": "01"}, b"{}", allow_private=allow_private)


def addresses(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Make every name resolve to these addresses. Returns the list of the names looked up."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host in found:  # a numeric address needs no lookup
            return really(host, port, *more, **named)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_the_receiver_gets_the_body_with_its_headers_and_the_path() -> None:
    with OddServer([TAKEN]) as server:
        assert at(f"{server.url}/a?b=c") == ReceiverResponse(204)

    [seen] = server.seen
    assert (seen.target, seen.body) == ("POST /a?b=c", b"{}")
    assert (seen.headers["webhook-id"], seen.headers["connection"]) == ("01", "close")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 For Good"])
def test_a_redirect_is_an_answer_and_is_not_followed(status: str) -> None:
    with OddServer([TAKEN]) as other:
        moved = http(status, headers=(f"Location: {other.url}",))
        with OddServer([moved]) as server:
            answer = at(server.url)

        assert answer.status == int(status[:3])
        assert other.connections == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("9999999999999", 86_400), ("-1", 0), ("soon", 0), ("٣", 0)],
)
def test_a_pause_that_is_asked_for_is_bounded(value: str, seconds: int) -> None:
    head = f"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: {value}\r\n\r\n"
    with OddServer([head.encode()]) as server:
        assert at(server.url) == ReceiverResponse(503, seconds)


def test_of_an_answer_only_the_status_is_read() -> None:
    endless = http("200 OK", b"a" * 1000, length=10**12)
    with OddServer([endless]) as server:
        assert at(server.url) == ReceiverResponse(200)


@pytest.mark.parametrize(
    "answer",
    [SILENCE, Drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000)],
    ids=["silence", "drips"],
)
def test_a_receiver_that_does_not_come_to_an_end_is_cut_off(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "WHOLE", 0.5)

    with (
        OddServer([answer]) as server,
        pytest.raises(NotPostedError, match="did not answer within"),
    ):
        at(server.url)


@pytest.mark.parametrize(
    "answer", [RESET, b"", b"hunter2 hunter2\r\n\r\n"], ids=["reset", "end", "x"]
)
def test_a_connection_that_breaks_is_told_without_what_the_receiver_sent(answer: bytes) -> None:
    with OddServer([answer]) as server, pytest.raises(NotPostedError, match="broke off") as failed:
        at(f"{server.url}/T0K3N")

    assert "hunter2" not in str(failed.value)
    assert "T0K3N" not in str(failed.value)


def test_a_port_where_nobody_listens_is_named() -> None:
    with OddServer([TAKEN]) as server:
        url = server.url

    with pytest.raises(NotPostedError, match="cannot be reached: Connection refused"):
        at(url)


def test_an_unknown_host_is_a_failure_that_may_pass() -> None:
    with pytest.raises(NotPostedError, match="has no address"):
        at("https://nobody.invalid/")


def test_a_name_that_means_a_private_address_by_now_is_refused_and_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OddServer([TAKEN]) as server:
        addresses(monkeypatch, "127.0.0.1")
        port = server.url.rpartition(":")[2]

        with pytest.raises(BadTargetError, match="not a public address"):
            at(f"https://hooks.example:{port}/", allow_private=False)

        assert server.connections == 0


def test_the_name_is_looked_up_once_and_the_connection_goes_to_what_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with OddServer([TAKEN]) as server:
        port = server.url.rpartition(":")[2]
        asked = addresses(monkeypatch, "127.0.0.1")

        assert at(f"http://hooks.example:{port}/").status == 204

    assert asked == ["hooks.example"]
    assert server.seen[0].headers["host"] == f"hooks.example:{port}"


def test_proxies_of_the_environment_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with OddServer([TAKEN]) as server:
        assert at(server.url).status == 204


@pytest.fixture
def host(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the TLS context of `localhost`, and the root that issued its certificate."""
    root = Authority.root("a root")
    leaf = root.issue("localhost")
    both, roots = tmp_path / "host.pem", tmp_path / "roots.pem"
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(leaf.cert.public_bytes(Encoding.PEM) + key)
    roots.write_bytes(root.cert.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, roots


def test_over_tls_the_certificate_has_to_be_that_of_the_name(
    host: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, roots = host
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    posting._context.cache_clear()
    with OddServer([TAKEN], tls=context) as server:
        port = server.url.rpartition(":")[2]
        addresses(monkeypatch, "127.0.0.1")

        assert at(server.url).status == 204
        with pytest.raises(NotPostedError, match="its certificate is not trusted"):
            at(f"https://other.example:{port}/")

    posting._context.cache_clear()
    assert server.seen[0].headers["host"] == f"localhost:{port}"


def test_a_receiver_that_drips_over_tls_is_cut_off_too(
    host: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, roots = host
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    monkeypatch.setattr(posting, "WHOLE", 0.5)
    posting._context.cache_clear()
    # Whole after some seconds: a receiver that isn't cut off has answered.
    whole = Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + b"a" * 10 + b"\r\n\r\n")
    with OddServer([whole], tls=context) as server:
        addresses(monkeypatch, "127.0.0.1")

        with pytest.raises(NotPostedError, match="did not answer within"):
            at(server.url)

    posting._context.cache_clear()


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    host: tuple[ssl.SSLContext, Path],
) -> None:
    with (
        OddServer([TAKEN], tls=host[0]) as server,
        pytest.raises(NotPostedError, match="its certificate is not trusted"),
    ):
        at(server.url)

    assert server.seen == []
