"""Tests of OAuth tokens, and of a login's password."""

import time

import pytest
import requests

from certline.simulator.http.login import TOKEN_PATH
from tests.unit.simulator.customer import LOGIN, TIMEOUT, Colleague, Customer, refused

FORM = {"grant_type": "client_credentials", "client_id": "admin", "client_secret": "secret"}


def asked(scm: Customer, **changes: str) -> requests.Response:
    url = scm.url.removesuffix("/api") + TOKEN_PATH
    return requests.post(url, data={**FORM, **changes}, timeout=TIMEOUT)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_opens_every_call_without_a_login(scm: Customer) -> None:
    answer = asked(scm).json()

    assert (answer["expires_in"], answer["token_type"]) == (300, "Bearer")
    for path in ("/organization/v1", "/ssl/v2", "/domain/v1"):
        found = scm.call("GET", path, headers=bearer(answer["access_token"]))
        assert found.status_code == 200


def test_a_token_ends(scm: Customer) -> None:
    scm.set(token_life_s=1)
    headers = bearer(asked(scm).json()["access_token"])
    deadline = time.monotonic() + 10

    while (answer := scm.call("GET", "/ssl/v1", headers=headers)).status_code == 200:
        assert time.monotonic() < deadline

    assert refused(answer, -16, status=401)
    assert answer.headers["WWW-Authenticate"].endswith(TOKEN_PATH)


def test_a_token_that_was_made_up_is_refused(scm: Customer) -> None:
    assert refused(scm.call("GET", "/ssl/v1", headers=bearer("made-up")), -16, status=401)


def test_a_token_has_the_role_of_its_key(scm: Customer) -> None:
    token = asked(scm, client_id="rao").json()["access_token"]

    (hospital,) = scm.call("GET", "/organization/v1", headers=bearer(token)).json()

    assert hospital["id"] == 9201


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "x"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_token_needs_a_known_key(
    scm: Customer, changes: dict[str, str], status: int, error: str
) -> None:
    answer = asked(scm, **changes)

    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_reset_ends_every_token(scm: Customer) -> None:
    headers = bearer(asked(scm).json()["access_token"])
    scm.door("POST", "/reset")

    assert scm.call("GET", "/ssl/v1", headers=headers).status_code == 401


def test_a_password_is_changed_with_the_old_one(scm: Customer) -> None:
    path = "/admin/v1/changepassword"

    assert refused(scm.post(path, {"newPassword": "short"}), -7306)
    assert scm.post(path, {"newPassword": "long-enough"}).status_code == 204

    assert scm.get("/ssl/v1").status_code == 401
    headers = {**LOGIN, "password": "long-enough"}
    assert scm.call("GET", "/ssl/v1", headers=headers).status_code == 200
    assert Colleague(scm.simulator, "rao").get("/ssl/v1").status_code == 200


def test_a_password_tells_how_long_it_lives(scm: Customer) -> None:
    assert scm.get("/admin/v1/password").json()["state"] == "ALIVE"

    scm.set(password_state="NEVER_EXPIRE")

    assert scm.get("/admin/v1/password").json() == {"state": "NEVER_EXPIRE"}


def test_failed_logins_may_lock_an_account_out(scm: Customer) -> None:
    scm.set(lock_out_after=2)
    wrong = {**LOGIN, "password": "x"}
    for _ in range(2):
        scm.call("GET", "/ssl/v1", headers=wrong)

    assert scm.get("/ssl/v1").status_code == 401
    assert Colleague(scm.simulator, "rao").get("/ssl/v1").status_code == 200
