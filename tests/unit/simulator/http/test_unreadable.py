"""Tests that the simulator refuses, as SCM does with status 400, whatever it can't read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from certline.simulator.app import ACCOUNT, DCV, SSL
from certline.simulator.http.call import Handler
from tests.unit.simulator.customer import LOGIN, TIMEOUT, Customer, csr, order, refused

# A change of the password would end the test's own login.
CALLS: dict[str, Handler] = {
    f"{method} {prefix}{path}": handler
    for prefix, table in (("", ACCOUNT), ("/ssl/v1", SSL), ("/dcv/v1/validation", DCV))
    for method, path, handler in table
    if "password" not in path.lower()
}
BODIES = [
    *(b"null", b"[]", b"{", b"\xff\xfe{}", b"0", b'"x"', b'{"x":NaN}', b"1e999", b"\xef\xbb\xbf{}"),
    *(b"[" * 100_000, b'{"a":' * 100_000),
]
VALUES = [
    *("\ud800", "\0é", "9" * 5_000, "-----BEGIN", "9999-12-31"),
    *(10**30, -1, float("inf"), [], {}, [[]], [{}], ["\0"], [{"name": 5, "value": []}]),
]
TEXTS = ["\0", "9" * 5_000, "\U0001f600", "1.5"]
QUERY = ("size", "position", "dateFormat", "status", "state", "orgId", "commonName", "expiresIn")


def fields_of(handler: Handler) -> list[str]:
    """Return the names of the fields that the handler's module reads."""
    source = Path(handler.__code__.co_filename).read_text("utf-8")
    return sorted(set(re.findall(r'(?:body|body\(\)|sent)(?:, |\.get\()"(\w+)"', source)))


def sent(scm: Customer, method: str, path: str, handler: Handler) -> Iterator[tuple[str, int]]:
    """Send nonsense to one path. Yields what was sent, and the status."""
    ssl_id = scm.issued()
    place = re.sub(r"\{\w+\}", str(ssl_id), path)
    session = requests.Session()  # one connection: there are thousands of calls
    session.headers.update({**LOGIN, "Content-Type": "application/json"})

    def call(at: str, **options: Any) -> int:
        return session.request(method, scm.url + at, timeout=TIMEOUT, **options).status_code

    for odd in ("9" * 5_000, "%00", "%ff", "-1", "1e3"):
        yield odd[:20], call(re.sub(r"\{\w+\}", odd, path), json={})
    if method == "GET":
        for name in QUERY:
            for text in TEXTS:
                yield f"{name}={text[:20]}", call(place, params={name: text})
        return
    for body in BODIES:
        yield repr(body[:20]), call(place, data=body)
    base = order(message="m", reason="x", reasonCode=0, csr=csr())
    for name in fields_of(handler):
        for value in VALUES:
            body = json.dumps({**base, name: value}).encode()
            yield f"{name}={value!r:.40}", call(place, data=body)


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_what_cannot_be_read_is_refused_and_is_no_fault_of_the_server(
    scm: Customer, call: str
) -> None:
    method, path = call.split()

    faults = [what for what, status in sent(scm, method, path, CALLS[call]) if status >= 500]

    assert faults == []


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"term":' + b"9" * 5_000 + b"}"])
def test_a_body_that_python_cannot_parse_is_refused(scm: Customer, body: bytes) -> None:
    assert refused(scm.call("POST", "/ssl/v1/enroll", data=body), -1002)


def test_a_signing_request_beyond_ascii_is_not_base64(scm: Customer) -> None:
    assert refused(scm.post("/ssl/v1/enroll", order(csr="\ufeff" + csr())), -9)
    assert refused(scm.post("/ssl/v1/enroll", order(csr="Straße\n" + csr())), -9)
