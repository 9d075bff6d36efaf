"""Tests of OAuth2: a token for each call, fetched in time, by one thread for all."""

import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from time import sleep
from urllib.parse import parse_qsl

import pytest

from certline.workers.scm import (
    LoginRefused,
    NotSent,
    ScmClient,
    ScmError,
    Throttled,
    TokenLogin,
    TryAgain,
)
from certline.workers.scm.transport.oauth import use_for
from tests.unit.scm.conftest import ORDER
from tests.unit.scm.odd_server import RESET, OddServer, Reply, Seen, as_json, http

SECRET = "client+secret/of our's"
EMPTY = as_json("200 OK", [])
REFUSED = http("401 Unauthorized")


def tokens(*, life: float | None = 300) -> Reply:
    """Return a token endpoint that issues token-1, token-2, …."""
    given: list[str] = []

    def answer(_: Seen) -> bytes:
        given.append(f"token-{len(given) + 1}")
        row: dict[str, object] = {"access_token": given[-1], "token_type": "Bearer"}
        return as_json("200 OK", row if life is None else row | {"expires_in": life})

    return answer


def a_client(scm: OddServer, auth: OddServer) -> ScmClient:
    return ScmClient(TokenLogin(scm.url, "key-1", SECRET, f"{auth.url}/token"), read_timeout=2)


def bearers(server: OddServer) -> list[str]:
    return [seen.headers["authorization"] for seen in server.seen]


def test_calls_carry_one_token_and_nothing_else_of_the_login() -> None:
    with OddServer([EMPTY]) as scm, OddServer([tokens()]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        client.custom_fields()

        assert bearers(scm) == ["Bearer token-1", "Bearer token-1"]
        assert not {"login", "password", "customeruri"} & set(scm.seen[0].headers)
        assert auth.seen[0].target == "POST /token"
        assert auth.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"
        assert dict(parse_qsl(auth.seen[0].body.decode())) == {
            "grant_type": "client_credentials",
            "client_id": "key-1",
            "client_secret": SECRET,
        }
        assert len(auth.seen) == 1


@pytest.mark.parametrize(
    ("life", "used"),
    [
        (300, 240),
        (3600, 3540),
        ("300", 240),
        (90, 45),  # a minute early would leave little
        (10, 5),
        (None, 240),
        (0, 240),
        (-5, 240),
        (True, 240),
        (float("nan"), 240),
        (float("inf"), 240),
        ([], 240),
    ],
)
def test_a_token_is_left_alone_a_minute_before_its_end(life: object, used: float) -> None:
    assert use_for(life) == used


def test_a_token_is_renewed_before_its_end() -> None:
    with OddServer([EMPTY]) as scm, OddServer([tokens(life=0.4)]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        sleep(0.25)  # SCM would accept it for another 0.15 seconds
        client.organizations()

        assert bearers(scm) == ["Bearer token-1", "Bearer token-2"]


def eight_calls(client: ScmClient) -> list[object]:
    barrier = Barrier(8)

    def call() -> object:
        barrier.wait()
        try:
            return client.organizations()
        except ScmError as error:
            return type(error)

    with ThreadPoolExecutor(8) as pool:
        return [one.result() for one in [pool.submit(call) for _ in range(8)]]


def slowly(reply: Reply) -> Reply:
    def answer(seen: Seen) -> bytes:
        sleep(0.3)
        return reply if isinstance(reply, bytes) else reply(seen)

    return answer


def test_eight_threads_fetch_one_token() -> None:
    with OddServer([EMPTY]) as scm, OddServer([slowly(tokens())]) as auth:
        assert eight_calls(a_client(scm, auth)) == [[]] * 8

        assert len(auth.seen) == 1
        assert set(bearers(scm)) == {"Bearer token-1"}


def test_eight_threads_share_one_refusal() -> None:
    word = as_json("401 Unauthorized", {"error": "unauthorized_client"})
    with OddServer([EMPTY]) as scm, OddServer([slowly(word)]) as auth:
        assert eight_calls(a_client(scm, auth)) == [LoginRefused] * 8

        assert len(auth.seen) == 1  # SCM counts failed logins
        assert scm.seen == []


def test_a_refused_client_may_ask_again_later() -> None:
    word = as_json("401 Unauthorized", {"error": "unauthorized_client"})
    with OddServer([EMPTY]) as scm, OddServer([word, tokens()]) as auth:
        client = a_client(scm, auth)
        with pytest.raises(LoginRefused):
            client.organizations()

        assert client.organizations() == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http("401 Unauthorized"), LoginRefused),
        (as_json("400 Bad Request", {"error": "invalid_client"}), LoginRefused),
        (as_json("404 Not Found", {"error": "Realm does not exist"}), LoginRefused),
        (http("404 Not Found", b"<html>"), NotSent),
        (http("429 Too Many Requests", headers=("Retry-After: 7",)), Throttled),
        (http("503 Service Unavailable"), NotSent),
        (http("307 Temporary Redirect", headers=("Location: /else",)), NotSent),
        (RESET, NotSent),
        (http("200 OK", b"<html>"), NotSent),
        (http("200 OK", b'{"access_token": "abc', length=99), NotSent),
        (as_json("200 OK", {"access_token": "two\r\nlines"}), NotSent),
        (as_json("200 OK", {"access_token": ""}), NotSent),
        (as_json("200 OK", {"access_token": 5}), NotSent),
    ],
)
def test_without_a_token_no_order_is_sent(answer: bytes, error: type[ScmError]) -> None:
    with OddServer([EMPTY]) as scm, OddServer([answer]) as auth:
        with pytest.raises(ScmError) as caught:
            a_client(scm, auth).enroll(ORDER)

        assert len(auth.seen) == 1
        assert scm.seen == []
    assert type(caught.value) is error


def test_a_token_that_scm_has_never_taken_is_a_refused_login() -> None:
    with OddServer([REFUSED]) as scm, OddServer([tokens()]) as auth:
        with pytest.raises(LoginRefused):
            a_client(scm, auth).organizations()

        assert len(scm.seen) == 1
        assert len(auth.seen) == 1


def test_a_read_brings_another_token_where_the_first_has_ended_early() -> None:
    with OddServer([EMPTY, REFUSED, EMPTY]) as scm, OddServer([tokens()]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        client.organizations()

        assert bearers(scm) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_read_tries_no_third_token() -> None:
    with OddServer([EMPTY, REFUSED]) as scm, OddServer([tokens()]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        with pytest.raises(LoginRefused):
            client.organizations()

        assert len(scm.seen) == 3
        assert len(auth.seen) == 2


def test_an_order_is_not_repeated_and_may_be_sent_again() -> None:
    good = as_json("200 OK", {"sslId": 7})
    with OddServer([EMPTY, REFUSED, good]) as scm, OddServer([tokens()]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        with pytest.raises(TryAgain):
            client.enroll(ORDER)
        assert len(scm.seen) == 2

        assert client.enroll(ORDER).ssl_id == 7
        assert bearers(scm)[-1] == "Bearer token-2"


def test_an_order_whose_second_token_is_refused_too_ends_with_the_login() -> None:
    with OddServer([EMPTY, REFUSED]) as scm, OddServer([tokens()]) as auth:
        client = a_client(scm, auth)
        client.organizations()
        with pytest.raises(TryAgain):
            client.enroll(ORDER)
        with pytest.raises(LoginRefused):
            client.enroll(ORDER)


def test_neither_secret_nor_token_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = "tok" + "x" * 900  # longer than a description: it mustn't be cut in half

    def echo(seen: Seen) -> bytes:
        text = " ".join([*seen.headers.values(), seen.body.decode()])
        return as_json("400 Bad Request", {"description": text, "error": text})

    given = as_json("200 OK", {"access_token": token})
    for answers in ([given], [echo]):
        with OddServer([echo]) as scm, OddServer(answers) as auth:
            client = a_client(scm, auth)
            with pytest.raises(ScmError) as caught:
                client.enroll(ORDER)
        trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        _, *frames = trace.stack.format()  # without this test's own frame, which knows the secrets
        told = "".join([*frames, repr(caught.value), str(caught.value), repr(client), caplog.text])

        assert "***" in str(caught.value)
        assert "xxxxx" not in told
        assert SECRET not in told
        assert json.dumps(SECRET)[1:-1] not in told
        assert "client%2Bsecret" not in told
