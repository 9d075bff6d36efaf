"""Tests of parsing SCM's organisations, profiles, custom fields and domains."""

from datetime import date

from certline.workers.scm import (
    ScmCustomField,
    ScmDelegation,
    ScmDepartment,
    ScmOrganization,
    ScmProfile,
    ScmValidation,
)
from certline.workers.scm.api import parser
from tests.unit.scm.conftest import Connect
from tests.unit.scm.odd_server import OddServer, ok


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
        ScmOrganization(9101, "Uni", (ScmDepartment(9102, "IT"),)),
        ScmOrganization(9201, "Clinic", ()),
    ]


def test_profiles_of_an_organisation(connect: Connect) -> None:
    rows = [{"id": 1, "name": "OV", "terms": [90, 199], "keyTypes": {"RSA": ["2048"], "EC": None}}]
    with OddServer([ok(rows)]) as server:
        found = connect(server).profiles(9101)

        assert server.seen[0].line == "GET /api/ssl/v1/types?organizationId=9101 HTTP/1.1"
    assert found == [ScmProfile(1, "OV", "", (90, 199), {"RSA": ("2048",), "EC": ()})]


def test_custom_fields(connect: Connect) -> None:
    with OddServer([ok([{"id": 611, "name": "CostCentre", "mandatory": True}])]) as server:
        assert connect(server).custom_fields() == [
            ScmCustomField(611, "CostCentre", mandatory=True)
        ]


def test_a_domain_with_its_validation(connect: Connect) -> None:
    row = {
        "id": 40211,
        "name": "nordhafen.example",
        "validationStatus": "VALIDATED",
        "dcvValidation": "2026-03-02",
        "dcvExpiration": "2026-09-16",
        "delegations": [{"orgId": 9101, "certTypes": ["SSL"], "status": "ACTIVE"}],
    }
    with OddServer([ok(row)]) as server:
        found = connect(server).domain(40211)

    assert (found.dcv_validation, found.dcv_expiration) == (date(2026, 3, 2), date(2026, 9, 16))
    assert found.delegations == (ScmDelegation(9101, ("SSL",), (), "ACTIVE"),)
    assert found.state == ""


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
    assert found.departments == (ScmDepartment(9102, "IT"),)
    assert parser.organization_details({"id": 1}).ssl_api_enabled is None


def test_a_validation_of_a_domain() -> None:
    row = {
        "domain": "a.example",
        "dcvStatus": "EXPIRED",
        "dcvMethod": "CNAME",
        "dcvOrderStatus": "NOT_INITIATED",
        "dcvOrderMethod": None,
        "expirationDate": "2026-09-16",
    }

    assert parser.validation(row) == ScmValidation(
        "a.example", "EXPIRED", "CNAME", "NOT_INITIATED", "", date(2026, 9, 16)
    )
