"""Tests of the login."""

import pytest
import requests

from tests.unit.simulator.customer import LOGIN, TIMEOUT, Customer, refused


@pytest.mark.parametrize("wrong", ["login", "password", "customerUri"])
def test_a_caller_with_one_wrong_header_is_unknown(scm: Customer, wrong: str) -> None:
    answer = scm.call("GET", "/organization/v1", headers={**LOGIN, wrong: "other"})

    assert refused(answer, -16, status=401)
    assert answer.json()["description"] == "Unknown user"
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_caller_without_headers_is_unknown(scm: Customer) -> None:
    assert refused(scm.call("GET", "/ssl/v1", headers={}), -16, status=401)


def test_header_names_have_no_case(scm: Customer) -> None:
    headers = {name.upper(): value for name, value in LOGIN.items()}

    assert scm.call("GET", "/organization/v1", headers=headers).status_code == 200


def test_the_private_path_serves_the_same_api(scm: Customer) -> None:
    private = scm.url.removesuffix("/api") + "/private/api/organization/v1"

    with_password = requests.get(private, headers=LOGIN, timeout=TIMEOUT)
    by_certificate = {"login": "admin", "customerUri": "demo"}
    without = requests.get(private, headers=by_certificate, timeout=TIMEOUT)
    wrong = requests.get(private, headers={**LOGIN, "password": "x"}, timeout=TIMEOUT)

    assert [with_password.status_code, without.status_code, wrong.status_code] == [200, 200, 401]


def test_a_changed_password_locks_the_old_one_out(scm: Customer) -> None:
    scm.set(password="changed")

    assert scm.get("/organization/v1").status_code == 401
    headers = {**LOGIN, "password": "changed"}
    assert scm.call("GET", "/organization/v1", headers=headers).status_code == 200


def test_a_call_refused_at_the_login_is_counted(scm: Customer) -> None:
    scm.call("GET", "/organization/v1", headers={})

    assert scm.door("GET", "/calls").json() == {"GET /organization/v1": 1}
