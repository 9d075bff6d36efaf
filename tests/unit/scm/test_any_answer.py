"""Tests that any response yields a value or a ScmError."""

import json
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import Mock

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from certline.workers.scm import DcvMethod, Login, ReportQuery, ScmClient, ScmError, TokenLogin
from tests.unit.scm.conftest import CHANGES
from tests.unit.scm.odd_server import OddServer, http

WORDS = """
id sslId name code description details departments delegations orgId certTypes certType terms
keyTypes EC mandatory status serialNumber subjectAlternativeNames expires dcvExpiration renewed
autoRenewDetails state backendCertId term renewId customFields value reports statusCode requested
passwordState domain expirationDate daysBeforeExpiration access_token expires_in error
orderStatus orderMode host point url firstLine secondLine emails dcvEmails adminEmails submittedDate
"""
NAMES = st.sampled_from(WORDS.split())
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "04/14/2026", "2026-04-14", "0001-01-01T00:00:00+14:00", "Issued", 5])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=8),
    max_leaves=20,
)
STATUSES = st.sampled_from(["200 OK", "400 Bad Request", "401 No", "404 Not Found", "500 Oh"])


READS: tuple[Callable[[ScmClient], object], ...] = (
    lambda scm: scm.organizations(),
    lambda scm: scm.organization(5),
    lambda scm: scm.domains(),
    lambda scm: scm.domain(5),
    lambda scm: scm.validations(),
    lambda scm: scm.profiles(),
    lambda scm: scm.custom_fields(),
    lambda scm: scm.certificates(),
    lambda scm: scm.certificate_page(),
    lambda scm: scm.count_certificates(),
    lambda scm: scm.details(5),
    lambda scm: scm.collect(5),
    lambda scm: scm.ssl_report(ReportQuery()),
    lambda scm: scm.password(),
    lambda scm: scm.admins(),
    lambda scm: scm.admin(5),
)
VALIDATING: tuple[Callable[[ScmClient], object], ...] = (
    lambda scm: scm.validation_status("a.example"),
    lambda scm: scm.start_validation("a.example", DcvMethod.CNAME),
    lambda scm: scm.start_validation("a.example", DcvMethod.TXT),
    lambda scm: scm.start_validation("a.example", DcvMethod.HTTP),
    lambda scm: scm.start_validation("a.example", DcvMethod.EMAIL),
    lambda scm: scm.submit_validation("a.example", DcvMethod.TXT),
    lambda scm: scm.submit_validation("a.example", DcvMethod.EMAIL, "admin@a.example"),
    lambda scm: scm.sync_validation("a.example"),
    lambda scm: scm.clear_validation("a.example"),
)
CALLS = (*READS, *VALIDATING, *(change.call for change in CHANGES))


def every_method(client: ScmClient) -> None:
    for call in CALLS:
        with suppress(ScmError):
            call(client)


def test_every_method_is_tried() -> None:
    client = Mock(spec=ScmClient)
    for call in CALLS:
        call(client)

    public = {name for name in dir(ScmClient) if not name.startswith("_")} - {"close"}
    assert {name for name, *_ in client.method_calls} == public


@given(value=VALUES, status=STATUSES)
@example(value={"id": [], "sslId": 5}, status="200 OK")
@example(value=[{"id": 10**400, "name": "\ud800\0"}], status="200 OK")
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_no_json_answer_raises_anything_but_scm_errors(value: object, status: str) -> None:
    with OddServer([http(status, json.dumps(value).encode())]) as server:
        client = ScmClient(Login(server.url, "c", "l", "p"), read_timeout=5)
        every_method(client)
        client.close()


@given(body=st.binary(max_size=60), status=STATUSES)
@example(body=b"[" * 100_000, status="200 OK")
@example(body=b"9" * 5_000, status="400 Bad Request")
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_no_bytes_raise_anything_but_scm_errors(body: bytes, status: str) -> None:
    with OddServer([http(status, body)]) as server:
        client = ScmClient(Login(server.url, "c", "l", "p"), read_timeout=5)
        every_method(client)
        client.close()


@given(value=VALUES | st.just({"access_token": "a b"}), status=STATUSES)
@example(value={"access_token": "abc", "expires_in": float("inf")}, status="200 OK")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_answer_of_a_token_server_raises_anything_but_scm_errors(
    value: object, status: str
) -> None:
    with OddServer([http(status, json.dumps(value).encode())]) as server:
        client = ScmClient(TokenLogin(server.url, "id", "secret", server.url), read_timeout=5)
        with suppress(ScmError):
            client.organizations()
        client.close()
