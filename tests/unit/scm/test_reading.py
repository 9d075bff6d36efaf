"""Tests of parsing a certificate's details, and of the order that is sent."""

import json
from datetime import date

import pytest

from certline.workers.scm import Enrolment, Garbled, ScmStatus
from certline.workers.scm.api import parser
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, http, ok
from tests.unit.scm.records import DETAILS


def test_an_order_is_sent_as_documented(connect: Connect, order: Enrolment) -> None:
    with OddServer([ok({"sslId": 7, "renewId": ""})]) as server:
        enrolled = connect(server).enroll(order)

        assert server.seen[0].line == "POST /api/ssl/v1/enroll HTTP/1.1"
        assert server.seen[0].headers["content-type"] == "application/json"
        assert json.loads(server.seen[0].body) == {
            "orgId": 9102,
            "certType": 21790,
            "term": 199,
            "csr": order.csr,
            "subjAltNames": "shop.nordhafen.example,www.shop.nordhafen.example",
            "comments": "[certline:01JQ8Z5N3V7K]",
            "externalRequester": "a@nordhafen.example, b@nordhafen.example",
            "customFields": [{"name": "CostCentre", "value": "4711"}],
        }
    assert enrolled.renew_id is None


def test_what_an_order_lacks_is_left_out(connect: Connect) -> None:
    with OddServer([ok({"sslId": 7})]) as server:
        connect(server).enroll(Enrolment(org_id=1, profile_id=2, term=90, csr="MIIC"))

        body = json.loads(server.seen[0].body)
    assert body == {"orgId": 1, "certType": 2, "term": 90, "csr": "MIIC"}


def test_details_of_a_certificate(connect: Connect) -> None:
    with OddServer([ok(DETAILS)]) as server:
        found = connect(server).details(18440127)

    assert found.state is ScmStatus.ISSUED
    assert found.serial_number == "c910e"
    assert (found.profile_id, found.profile_name) == (21790, "OV Multi-Domain SSL")
    assert found.sans == ("shop.nordhafen.example", "www.shop.nordhafen.example")
    assert found.requested == date(2026, 4, 14)
    assert found.issued == date(2026, 4, 15)
    assert found.expires == date(2026, 10, 30)
    assert found.replaced is None
    assert found.revoked is None
    assert found.backend_cert_id == "2907713345"
    assert found.auto_renew_state == "Not scheduled"


def test_details_before_issue_have_hardly_anything() -> None:
    found = parser.details({"sslId": 5, "status": "Applied", "certType": "", "expires": "soon"})

    assert found.state.is_pending
    assert found.serial_number is None
    assert found.expires is None
    assert found.sans == ()


def test_details_of_another_certificate_are_not_believed(connect: Connect) -> None:
    with OddServer([ok(DETAILS)]) as server, pytest.raises(Garbled):
        connect(server).details(5)


@pytest.mark.parametrize("sans", ["a.example, b.example", "a.example; b.example"])
def test_names_may_come_as_a_text(sans: str) -> None:
    found = parser.details({"id": 5, "subjectAlternativeNames": sans})

    assert found.sans == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("SA Approved", ScmStatus.SA_APPROVED),
        ("SAApproved", ScmStatus.SA_APPROVED),
        ("ISSUED", ScmStatus.ISSUED),
        ("sa_approved", ScmStatus.SA_APPROVED),
        ("Enrolled - Pending Download", ScmStatus.UNKNOWN),
        ("", ScmStatus.UNKNOWN),
    ],
)
def test_a_status_is_known_however_it_is_written(word: str, status: ScmStatus) -> None:
    assert ScmStatus.read(word) is status


def test_every_status_is_in_one_class_at_most() -> None:
    for status in ScmStatus:
        classes = [status.is_pending, status.is_issued, status.is_refused, status.is_gone]
        expected = 0 if status in {ScmStatus.UNKNOWN, ScmStatus.UNMANAGED} else 1
        assert sum(classes) == expected, status


def test_a_certificate_is_collected_by_the_documented_form(connect: Connect) -> None:
    body = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
    with OddServer([http("200 OK", body)]) as server:
        assert connect(server).collect(5) == body

        assert server.seen[0].line == "GET /api/ssl/v1/collect/5?format=x509 HTTP/1.1"


@pytest.mark.parametrize("code", [4, "4", "SUPERSEDED"])
def test_a_reason_may_be_a_number_or_a_word(code: object) -> None:
    assert parser.details({"id": 5, "reasonCode": code}).reason_code == str(code)
