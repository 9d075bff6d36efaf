"""Tests of parsing SCM's responses about passwords and administrators."""

from datetime import date

import pytest

from certline.workers.scm import AdminRecord, AdminRow, Password, PasswordState
from certline.workers.scm.api import parser
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, ok


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"passwordState": "ALIVE"}, PasswordState.ALIVE),
        ({"state": "never expire"}, PasswordState.NEVER_EXPIRE),
        ({"passwordState": "EXPIRED"}, PasswordState.EXPIRED),
        ({"passwordState": "SLEEPING"}, PasswordState.UNKNOWN),
        ({}, PasswordState.UNKNOWN),
    ],
)
def test_the_state_of_the_password(answer: object, state: PasswordState, connect: Connect) -> None:
    with OddServer([ok(answer)]) as server:
        assert connect(server).password() == Password(state)

        assert server.seen[0].target == "GET /api/admin/v1/password"


def test_a_password_may_say_when_it_ends(connect: Connect) -> None:
    with OddServer([ok({"expirationDate": "2026-12-31", "state": "ALIVE"})]) as server:
        assert connect(server).password() == Password(PasswordState.ALIVE, date(2026, 12, 31))


def test_an_administrator_is_found_by_its_login_and_then_read(connect: Connect) -> None:
    record = {
        "id": 12,
        "login": "svc-pipeline",
        "type": "API",
        "credentials": [{"role": "RAO_SSL", "orgId": 1}, {"role": "RAO_SSL", "orgId": 2}, {}],
        "privileges": ["sslRequest", "autoApproveCertificates"],
    }
    with OddServer([ok([{"id": 12, "login": "svc-pipeline", "surname": "Pipe"}])]) as server:
        assert connect(server).admins() == [AdminRow(12, "svc-pipeline")]
        assert server.seen[0].target.startswith("GET /api/admin/v1?")

    with OddServer([ok(record)]) as server:
        assert connect(server).admin(12) == AdminRecord(
            12, "svc-pipeline", "API", ("RAO_SSL",), ("sslRequest", "autoApproveCertificates")
        )
        assert server.seen[0].target == "GET /api/admin/v1/12"


@pytest.mark.parametrize(
    ("answer", "privileges"), [({"id": 5}, None), ({"id": 5, "privileges": []}, ())]
)
def test_no_privileges_told_are_not_no_privileges(
    answer: object, privileges: tuple[str, ...] | None
) -> None:
    assert parser.admin_record(answer).privileges == privileges
