"""What SCM answers, as values; and what we ask of it."""

import json
from datetime import UTC, date, datetime

import pytest

from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, as_json, http
from workers.scm import (
    AdminRecord,
    AdminRow,
    CustomField,
    Delegation,
    Department,
    Enrolment,
    Garbled,
    Organization,
    Password,
    PasswordState,
    Profile,
    ReportQuery,
    ScmStatus,
    Validation,
    reading,
)


def ok(value: object) -> bytes:
    return as_json("200 OK", value)


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


def test_departments_may_be_missing(connect: Connect) -> None:
    rows = [
        {
            "id": 9101,
            "name": "Uni",
            "departments": [{"id": 9102, "name": "IT", "parentName": "Uni"}],
        },
        {"id": 9201, "name": "Clinic"},
    ]
    with OddServer([ok(rows)]) as server:
        found = connect(server).organizations()

    assert found == [
        Organization(9101, "Uni", (Department(9102, "IT"),)),
        Organization(9201, "Clinic", ()),
    ]


def test_profiles_of_an_organisation(connect: Connect) -> None:
    rows = [{"id": 1, "name": "OV", "terms": [90, 199], "keyTypes": {"RSA": ["2048"], "EC": None}}]
    with OddServer([ok(rows)]) as server:
        found = connect(server).profiles(9101)

        assert server.seen[0].line == "GET /api/ssl/v1/types?organizationId=9101 HTTP/1.1"
    assert found == [Profile(1, "OV", "", (90, 199), {"RSA": ("2048",), "EC": ()})]


def test_custom_fields(connect: Connect) -> None:
    with OddServer([ok([{"id": 611, "name": "CostCentre", "mandatory": True}])]) as server:
        assert connect(server).custom_fields() == [CustomField(611, "CostCentre", mandatory=True)]


def test_a_domain_with_its_validation(connect: Connect) -> None:
    row = {
        "id": 40211,
        "name": "nordhafen.example",
        "validationStatus": "VALIDATED",
        "dcvExpiration": "2026-09-16",
        "delegations": [{"orgId": 9101, "certTypes": ["SSL"], "status": "ACTIVE"}],
    }
    with OddServer([ok(row)]) as server:
        found = connect(server).domain(40211)

    assert found.dcv_expiration == date(2026, 9, 16)
    assert found.delegations == (Delegation(9101, ("SSL",), (), "ACTIVE"),)
    assert found.state == ""


DETAILS = {
    "id": 18440127,
    "sslId": 18440127,
    "commonName": "shop.nordhafen.example",
    "orgId": 9102,
    "status": "Issued",
    "certType": {"id": 21790, "name": "OV Multi-Domain SSL"},
    "term": 199,
    "serialNumber": "00:0C:91:0E",
    "subjectAlternativeNames": ["shop.nordhafen.example", "www.shop.nordhafen.example"],
    "comments": "[certline:01JQ8Z5N3V7K]",
    "externalRequester": "a@nordhafen.example",
    "requested": "04/14/2026",
    "issued": "2026-04-14T23:30:00.000-02:00",
    "expires": "2026-10-30",
    "replaced": "",
    "revoked": None,
    "renewed": False,
    "backendCertId": "2907713345",
    "keyType": "EC - P-256",
    "autoRenewDetails": {"state": "Not scheduled"},
    "somethingNew": {"x": 1},
}


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
    found = reading.details({"sslId": 5, "status": "Applied", "certType": "", "expires": "soon"})

    assert found.state.is_pending
    assert found.serial_number is None
    assert found.expires is None
    assert found.sans == ()


def test_details_of_another_certificate_are_not_believed(connect: Connect) -> None:
    with OddServer([ok(DETAILS)]) as server, pytest.raises(Garbled):
        connect(server).details(5)


@pytest.mark.parametrize("sans", ["a.example, b.example", "a.example; b.example"])
def test_names_may_come_as_a_text(sans: str) -> None:
    found = reading.details({"id": 5, "subjectAlternativeNames": sans})

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


def test_an_organisation_says_whether_it_may_order(connect: Connect) -> None:
    row = {
        "id": 9101,
        "name": "Uni",
        "certTypes": ["SSL", "SMIME"],
        "sslCertsApiEnabled": False,
        "contactEmails": "a@x.example, b@x.example",
        "departments": [{"id": 9102, "name": "IT"}],
    }
    with OddServer([ok(row)]) as server:
        found = connect(server).organization(9101)

        assert server.seen[0].target == "GET /api/organization/v1/9101"
    assert found.cert_types == ("SSL", "SMIME")
    assert found.ssl_api_enabled is False
    assert found.contact_emails == ("a@x.example", "b@x.example")
    assert found.departments == (Department(9102, "IT"),)
    assert reading.organization_details({"id": 1}).ssl_api_enabled is None


REPORTED = {
    "id": 18440127,
    "type": "OV Multi-Domain SSL",
    "typeId": 21790,
    "orgId": 9102,
    "commonName": "shop.nordhafen.example",
    "subjAltNames": "shop.nordhafen.example; www.shop.nordhafen.example",
    "status": "Issued",
    "orderNumber": 2907713345,
    "comments": "[certline:01JQ8Z5N3V7K]",
    "requested": "2026-04-14T09:12:33.418Z",
    "approved": "2026-04-14T11:12:33.418+02:00",
    "expires": "10/30/2026",
    "revoked": "",
    "serialNumber": "C910E",
    "customFields": [{"name": "CostCentre", "value": "4711"}],
}


def test_a_report_has_names_comments_and_moments(connect: Connect) -> None:
    with OddServer([ok({"statusCode": 0, "reports": [REPORTED]})]) as server:
        (row,) = connect(server).ssl_report(ReportQuery())

    assert (row.ssl_id, row.state, row.profile_id) == (18440127, ScmStatus.ISSUED, 21790)
    assert row.sans == ("shop.nordhafen.example", "www.shop.nordhafen.example")
    assert row.comments == "[certline:01JQ8Z5N3V7K]"
    assert row.requested == datetime(2026, 4, 14, 9, 12, 33, 418_000, UTC)
    assert row.approved == row.requested
    assert row.expires == datetime(2026, 10, 30, tzinfo=UTC)
    assert row.revoked is None
    assert row.serial_number == reading.details(DETAILS).serial_number
    assert row.custom_fields == (("CostCentre", "4711"),)


@pytest.mark.parametrize(
    "answer", [{"statusCode": 5, "reports": []}, {}, {"reports": [{"commonName": "a"}]}, []]
)
def test_a_report_that_may_lack_rows_is_garbled(answer: object, connect: Connect) -> None:
    with OddServer([ok(answer)]) as server, pytest.raises(Garbled):
        connect(server).ssl_report(ReportQuery())


def test_a_validation_of_a_domain() -> None:
    row = {
        "domain": "a.example",
        "dcvStatus": "EXPIRED",
        "dcvMethod": "CNAME",
        "dcvOrderStatus": "NOT_INITIATED",
        "dcvOrderMethod": None,
        "expirationDate": "2026-09-16",
    }

    assert reading.validation(row) == Validation(
        "a.example", "EXPIRED", "CNAME", "NOT_INITIATED", "", date(2026, 9, 16)
    )


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
    assert reading.admin_record(answer).privileges == privileges


@pytest.mark.parametrize("code", [4, "4", "SUPERSEDED"])
def test_a_reason_may_be_a_number_or_a_word(code: object) -> None:
    assert reading.details({"id": 5, "reasonCode": code}).reason_code == str(code)
