"""Tests that an odd record or certificate at SCM concerns that record: it fails at once with its reason."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from certline.models import Command, CommandStatus, CommandType, OrderStatus
from certline.models.audit.log import history
from tests.integration.imports.conftest import Estate
from tests.support.odd_certificates import (
    CA_KEY,
    ODD,
    PLAIN,
    ROOT,
    SUBJECT,
    UNUSUAL,
    public,
    signed,
)

NAME = "odd.nordhafen.example"


def serial_of(estate: Estate, scm_id: int) -> int:
    """Return the serial number in SCM's record."""
    found = estate.by_a_stranger("GET", f"/ssl/v1/{scm_id}")
    return int(found["serialNumber"].replace(":", ""), 16)


def answer(estate: Estate, scm_id: int, body: str) -> None:
    """Have SCM return this body as the record's certificate, every time."""
    estate.fault("GET", f"collect/{scm_id}$", "status", status=200, body=body, times=None)


def change(estate: Estate, scm_id: int, **changed: Any) -> None:
    """Have SCM return the record's details with some values changed."""
    found = estate.by_a_stranger("GET", f"/ssl/v1/{scm_id}") | changed
    body = json.dumps(found)
    estate.fault("GET", f"/ssl/v1/{scm_id}$", "status", status=200, body=body, times=None)


def commands(estate: Estate) -> list[Command]:
    with estate.database.transaction() as db:
        return list(db.scalars(select(Command)))


def test_odd_certificates_fail_with_their_reasons_and_all_others_come_in(empty: Estate) -> None:
    odd = {kind: empty.order_by_a_stranger(f"n{n}.nordhafen.example") for n, kind in enumerate(ODD)}
    fine = {empty.order_by_a_stranger(f"fine{n}.nordhafen.example") for n in range(5)}
    unusual = {
        kind: empty.order_by_a_stranger(f"u{n}.nordhafen.example") for n, kind in enumerate(UNUSUAL)
    }
    for kinds, ids in ((ODD, odd), (UNUSUAL, unusual)):
        for kind, scm_id in ids.items():
            answer(empty, scm_id, kinds[kind](serial_of(empty, scm_id)) + ROOT)

    result = empty.take_in()

    assert {each["scm_id"] for each in result["failures"]} == set(odd.values())
    assert (result["failed"], result["stored"]) == (len(ODD), 5 + len(UNUSUAL))
    assert {each.scm_id for each in empty.certificates()} == fine | set(unusual.values())
    reasons = {each["scm_id"]: each["reason"] for each in result["failures"]}
    assert "Duplicate 2.5.29.14 extension" in reasons[odd["an extension twice"]]
    assert "3 is not a valid X509 version" in reasons[odd["version 4"]]
    assert "NUL" in reasons[odd["a name with NUL"]]
    assert all(command.restarts == 0 for command in commands(empty))
    assert empty.told("import.completed") == [result]


@pytest.mark.parametrize("kind", ["an extension twice", "a name with NUL", "a key on SM2"])
def test_a_fetched_odd_certificate_fails_at_once_and_says_so(empty: Estate, kind: str) -> None:
    empty.settings(issue_after_ms=3_600_000)
    scm_id = empty.order_by_a_stranger(NAME)
    empty.take_in()
    empty.decide(scm_id, "issue")
    answer(empty, scm_id, ODD[kind](serial_of(empty, scm_id)) + ROOT)

    empty.go_on()

    # The order's poll, which goes on with the certificate.
    (poll,) = [each for each in commands(empty) if each.subject == empty.orders()[scm_id].id]
    assert (poll.type, poll.status) == (CommandType.POLL, CommandStatus.FAILED)
    assert (poll.attempts, poll.restarts) == (1, 0)
    order = empty.orders()[scm_id]
    assert order.status is OrderStatus.REVIEW
    assert (order.error or "").startswith("the certificate cannot be fetched: ")
    # It is a step of the order, so the order's own event says it.
    assert order.error in [each["reason"] for each in empty.told("order.review")]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": 2**40, "sslId": 2**40},
        {"orgId": 2**62},
        {"certType": {"id": 2**62, "name": "x"}},
        {"commonName": "", "subjectAlternativeNames": []},
        {"term": "soon"},
        {"customFields": [5]},
    ],
    ids=str,
)
def test_a_record_that_cannot_be_stored_fails_alone(empty: Estate, changed: dict[str, Any]) -> None:
    odd, fine = (empty.order_by_a_stranger(f"{name}.nordhafen.example") for name in ("odd", "fine"))
    change(empty, odd, **changed)

    result = empty.take_in()

    assert {each.scm_id for each in empty.certificates()} == {fine}
    (failure,) = result["failures"]
    assert failure["reason"]
    assert all(command.restarts == 0 for command in commands(empty))


@pytest.mark.parametrize(
    "row",
    [
        {"sslId": 2**40, "commonName": "big.nordhafen.example"},
        {"sslId": 999_999, "commonName": {"not": "a text"}},
        {"sslId": 999_999, "subjectAlternativeNames": 7},
        {"sslId": 999_999, "serialNumber": ["AB"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("again", [False, True])
def test_an_odd_row_of_the_list_hides_no_other(
    empty: Estate, row: dict[str, Any], *, again: bool
) -> None:
    fine = empty.order_by_a_stranger("fine.nordhafen.example")
    if again:  # the account has orders already, so each row is looked up
        empty.take_in()
    rows = [row, *empty.by_a_stranger("GET", "/ssl/v1?size=200&position=0")]
    empty.fault("GET", "/ssl/v1$", "status", status=200, body=json.dumps(rows), times=None)

    result = empty.take_in()

    assert set(empty.orders()) == {fine}
    assert [each["scm_id"] for each in result["failures"]] == [row["sslId"]]
    assert all(command.restarts == 0 for command in commands(empty))


def test_a_self_signed_certificate_is_stored_and_said_to_be_that(empty: Estate) -> None:
    scm_id = empty.order_by_a_stranger(NAME)
    serial = serial_of(empty, scm_id)
    itself = signed(serial, SUBJECT, PLAIN, issuer=SUBJECT, key=public(CA_KEY))
    answer(empty, scm_id, itself)

    assert empty.take_in()["stored"] == 1

    (certificate,) = empty.certificates()
    assert certificate.issuers == []
    with empty.database.transaction() as db:
        (event, *_) = history(db, certificate.order_id)
    assert "self-signed" in (event.why or "")
