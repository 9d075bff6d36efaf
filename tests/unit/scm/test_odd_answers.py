"""Tests of unusual responses to an order: the error class decides whether it may be sent again."""

import logging
import socket
import traceback
from pathlib import Path

import pytest

from certline.workers.scm import (
    AlreadyDone,
    Enrolment,
    Garbled,
    Login,
    LoginRefused,
    NeedsPerson,
    NotFound,
    NotReady,
    NotSent,
    OutcomeUnknown,
    Refused,
    ScmClient,
    ScmError,
    Throttled,
    TryAgain,
    Unavailable,
)
from tests.unit.scm.conftest import CHANGES, SECRET, Change, Connect
from tests.unit.scm.odd_server import RESET, SILENCE, Drip, OddServer, as_json, http

GOOD = b'{"sslId": 18440127, "renewId": "Qm3xT9vLpA72"}'

# Whatever the call: its outcome is unknown, unless SCM certainly did nothing.
ANY = {
    "reset after the request was read": (RESET, OutcomeUnknown),
    "no answer in time": (SILENCE, OutcomeUnknown),
    "closed without an answer": (b"", OutcomeUnknown),
    "a dripping head": (Drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 500), OutcomeUnknown),
    "a dripping body": (Drip(http("200 OK", b" " * 500)), OutcomeUnknown),
    "not HTTP": (b"hello\r\n\r\n", OutcomeUnknown),
    "a broken header": (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", OutcomeUnknown),
    "cut body": (http("200 OK", GOOD, length=500), Garbled),
    "silent body": (http("200 OK", GOOD[:9], length=len(GOOD)), Garbled),
    "longer than it says": (http("200 OK", GOOD, length=10), Garbled),
    "200 with HTML": (http("200 OK", b"<html>Maintenance</html>"), Garbled),
    "200 with an error inside": (
        as_json("200 OK", {"code": -36, "description": "term"}),
        Garbled,
    ),
    "chunked and cut": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{",
        Garbled,
    ),
    "bad gzip": (http("200 OK", b"plain", headers=("Content-Encoding: gzip",)), Garbled),
    "307": (
        http("307 Temporary Redirect", headers=("Location: /api/elsewhere",)),
        OutcomeUnknown,
    ),
    "302 to a broken place": (http("302 Found", headers=("Location: http://[",)), OutcomeUnknown),
    "503 plain text": (
        http("503 Service Unavailable", b"upstream connect error or disconnect/reset"),
        Unavailable,
    ),
    "502 HTML": (http("502 Bad Gateway", b"<h1>Bad Gateway</h1>"), Unavailable),
    "500 with a code": (
        as_json("500 Internal Server Error", {"code": -36, "description": "term"}),
        Unavailable,
    ),
    "400 from a stranger": (http("400 Bad Request", b"<html>nginx</html>"), OutcomeUnknown),
    "404 page": (http("404 Not Found", b"<html>no such page</html>"), OutcomeUnknown),
    "404 bare": (http("404 Not Found"), OutcomeUnknown),
    "408": (http("408 Request Timeout"), OutcomeUnknown),
    "401 without body": (http("401 Unauthorized"), LoginRefused),
    "401 cut": (http("401 Unauthorized", b'{"code"', length=99), LoginRefused),
    "401 with body": (
        as_json("401 Unauthorized", {"code": -16, "description": "Unknown user"}),
        LoginRefused,
    ),
    "407": (http("407 Proxy Authentication Required"), NotSent),
    "429": (http("429 Too Many Requests", headers=("Retry-After: 7",)), Throttled),
    "field": (as_json("400 Bad Request", {"code": -1601, "description": "field"}), Refused),
    "no code": (as_json("400 Bad Request", {"description": "no"}), Refused),
    "code as text": (as_json("400 Bad Request", {"code": "-3"}), NeedsPerson),
    "no such id": (as_json("400 Bad Request", {"code": -124, "description": "id"}), NotFound),
    "CA away": (as_json("400 Bad Request", {"code": -195, "description": "later"}), TryAgain),
    "CA lost": (as_json("400 Bad Request", {"code": -129, "description": "?"}), OutcomeUnknown),
    "inside": (as_json("400 Bad Request", {"code": -1, "description": "?"}), OutcomeUnknown),
}
# Where the response names an id, it must be valid.
OF_AN_ID = {
    "a status alone": b"HTTP/1.1 200 OK\r\n",
    "200 with nothing": http("200 OK"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "200 without an id": as_json("200 OK", {"renewId": "x"}),
    "200 with id 0": as_json("200 OK", {"sslId": 0}),
}


def fails_once(server: OddServer, client: ScmClient, change: Change) -> ScmError:
    with pytest.raises(ScmError) as caught:
        change.call(client)
    server.wait_for_request()  # the client may have given up before the server read it
    assert len(server.seen) == 1
    assert server.connections == 1
    assert caught.value.operation == change.operation
    assert str(caught.value).startswith(f"{change.operation}: ")
    return caught.value


def by_operation(change: Change) -> str:
    return change.operation


@pytest.mark.parametrize("change", CHANGES, ids=by_operation)
@pytest.mark.parametrize("case", ANY)
def test_an_odd_answer_to_a_change_has_its_class_and_it_is_sent_once(
    case: str, change: Change
) -> None:
    answer, expected = ANY[case]
    with OddServer([answer]) as server:
        patience = 0.15 if answer == SILENCE or isinstance(answer, Drip) else 10  # seconds
        client = ScmClient(Login(server.url, "c", "l", SECRET), read_timeout=patience)
        assert type(fails_once(server, client, change)) is expected


@pytest.mark.parametrize("change", [one for one in CHANGES if one.is_answered], ids=by_operation)
@pytest.mark.parametrize("case", OF_AN_ID)
def test_an_answer_without_an_id_is_garbled(case: str, change: Change, connect: Connect) -> None:
    with OddServer([OF_AN_ID[case]]) as server:
        assert type(fails_once(server, connect(server), change)) is Garbled


@pytest.mark.parametrize(
    "change", [one for one in CHANGES if not one.is_answered], ids=by_operation
)
def test_a_change_without_an_answer_wants_an_empty_one(change: Change, connect: Connect) -> None:
    for answer in (b"HTTP/1.1 204 No Content\r\n\r\n", http("200 OK")):
        with OddServer([answer]) as server:
            change.call(connect(server))
    with OddServer([as_json("200 OK", {"sslId": 7})]) as server:
        assert type(fails_once(server, connect(server), change)) is Garbled


def test_a_successor_has_an_id_of_its_own(connect: Connect) -> None:
    with OddServer([as_json("200 OK", {"sslId": 7})]) as server, pytest.raises(Garbled):
        connect(server).renew(7, "MIIC")


@pytest.mark.parametrize("operation", ["revoke", "revoke_by_serial"])
def test_a_second_revocation_has_an_end_of_its_own(operation: str, connect: Connect) -> None:
    words = {"code": -102, "description": "Only issued certificates could be revoked."}
    (change,) = (one for one in CHANGES if one.operation == operation)
    with OddServer([as_json("400 Bad Request", words)]) as server:
        assert type(fails_once(server, connect(server), change)) is AlreadyDone


def test_a_chunked_answer_is_read(connect: Connect, order: Enrolment) -> None:
    half = len(GOOD) // 2
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(part), part) for part in (GOOD[:half], GOOD[half:], b"")
    )
    with OddServer([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks]) as server:
        enrolled = connect(server).enroll(order)

    assert (enrolled.ssl_id, enrolled.renew_id) == (18440127, "Qm3xT9vLpA72")


def test_an_order_never_travels_on_a_used_connection(connect: Connect, order: Enrolment) -> None:
    with OddServer([as_json("200 OK", []), http("200 OK", GOOD)]) as server:
        client = connect(server)
        client.organizations()
        client.enroll(order)
        client.enroll(order)

        assert server.connections == 3
        assert [seen.headers["connection"] for seen in server.seen[1:]] == ["close", "close"]


def test_reads_share_a_connection(connect: Connect) -> None:
    with OddServer([as_json("200 OK", [])]) as server:
        client = connect(server)
        client.organizations()
        client.custom_fields()

        assert server.connections == 1


def test_a_refused_connection_was_not_sent(order: Enrolment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NotSent, match="refused"):
        ScmClient(Login(f"http://127.0.0.1:{port}", "c", "l", SECRET)).enroll(order)


def test_an_unknown_host_was_not_sent(order: Enrolment) -> None:
    with pytest.raises(NotSent):
        ScmClient(Login("http://scm.invalid", "c", "l", SECRET)).enroll(order)


def test_a_failed_handshake_was_not_sent(order: Enrolment) -> None:
    with OddServer([http("200 OK", GOOD)]) as server:
        secure = server.url.replace("http:", "https:")
        client = ScmClient(Login(secure, "c", "l", SECRET), read_timeout=0.5)
        with pytest.raises(NotSent):
            client.enroll(order)

        assert server.seen == []


def test_a_proxy_that_refuses_the_tunnel_was_not_sent(
    order: Enrolment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    with OddServer([http("403 Forbidden")]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NotSent):
            ScmClient(Login("https://scm.example", "c", "l", SECRET)).enroll(order)

        assert [seen.line.split(" HTTP/")[0] for seen in proxy.seen] == ["CONNECT scm.example:443"]


def test_the_password_is_in_no_error_no_repr_and_no_log(
    connect: Connect, order: Enrolment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = http("503 Service Unavailable", f"your header was password: {SECRET}".encode())
    for answer in (echo, RESET, http("401 Unauthorized")):
        with OddServer([answer]) as server:
            client = connect(server)
            with pytest.raises(ScmError) as caught:
                client.enroll(order)
        locals_too = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        _, *frames = locals_too.stack.format()  # without this test, which knows the secret
        told = [*frames, repr(caught.value), str(caught.value), repr(client), caplog.text]

        assert caught.value.__context__ is None
        assert not [line for line in told if SECRET in line]


def test_netrc_adds_no_login_of_its_own(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with OddServer([as_json("200 OK", [])]) as server:
        connect(server).organizations()

        assert "authorization" not in server.seen[0].headers
        assert server.seen[0].headers["customeruri"] == "nordhafen"
        assert server.seen[0].headers["password"] == SECRET


@pytest.mark.parametrize("code", [0, -183, -1400, -109, -103, -130])
def test_a_pending_certificate_is_not_ready(code: int, connect: Connect) -> None:
    answer = as_json("400 Bad Request", {"code": code, "description": "Being processed"})
    with OddServer([answer]) as server, pytest.raises(NotReady):
        connect(server).collect(18440127)


def test_an_empty_certificate_is_not_ready(connect: Connect) -> None:
    with OddServer([http("200 OK")]) as server, pytest.raises(NotReady):
        connect(server).collect(18440127)


def test_a_page_instead_of_a_certificate_is_garbled(connect: Connect) -> None:
    with OddServer([http("200 OK", b"<html>0</html>")]) as server, pytest.raises(Garbled):
        connect(server).collect(18440127)


@pytest.mark.parametrize(
    "answer",
    [
        http("404 Not Found"),
        as_json("404 Not Found", {"code": -5101, "description": "not found"}),
        as_json("400 Bad Request", {"code": -124, "description": "wrong id"}),
    ],
)
def test_an_unknown_certificate_is_not_found(answer: bytes, connect: Connect) -> None:
    with OddServer([answer]) as server, pytest.raises(NotFound):
        connect(server).details(1)
