"""Tests of administrators of a part: they see and change nothing outside that part."""

from typing import Any

import pytest

from tests.unit.simulator.customer import (
    HOSPITAL,
    RSA_ONLY,
    Colleague,
    Customer,
    csr,
    order,
    refused,
)

REVOKE = {"reasonCode": 4, "reason": "superseded"}


@pytest.fixture
def drao(scm: Customer) -> Colleague:
    """Return the administrator of one department of the university."""
    return Colleague(scm.simulator, "drao")


@pytest.fixture
def rao(scm: Customer) -> Colleague:
    """Return the administrator of the hospital."""
    return Colleague(scm.simulator, "rao")


def test_a_department_sees_itself_only(drao: Colleague) -> None:
    (university,) = drao.get("/organization/v1").json()

    assert [part["id"] for part in university["departments"]] == [9102]
    assert drao.get("/organization/v1/9102").status_code == 200
    assert refused(drao.get("/organization/v1/9101"), -1023, status=404)


def test_an_organization_sees_its_departments_and_profiles(rao: Colleague, drao: Colleague) -> None:
    (hospital,) = rao.get("/organization/v1").json()

    assert (hospital["id"], [part["id"] for part in hospital["departments"]]) == (9201, [9202])
    assert RSA_ONLY in [profile["id"] for profile in rao.get("/ssl/v1/types").json()]
    assert RSA_ONLY not in [profile["id"] for profile in drao.get("/ssl/v1/types").json()]


def test_domains_are_those_delegated_to_the_part(rao: Colleague) -> None:
    rows = rao.get("/domain/v1", size=200).json()

    assert {row["name"] for row in rows} == {
        "hospital.example",
        "*.hospital.example",
        "radiology.example",
    }
    assert refused(rao.get("/domain/v1/40211"), -727, status=404)


def test_the_certificates_of_others_are_not_there(scm: Customer, rao: Colleague) -> None:
    theirs = scm.issued()
    body = {"csr": csr("www.hospital.example"), "orgId": HOSPITAL}
    mine = rao.enroll(**body)

    assert [row["sslId"] for row in rao.get("/ssl/v1").json()] == [mine]
    assert rao.call("HEAD", "/ssl/v1").headers["X-Total-Count"] == "1"
    assert [row["id"] for row in rao.post("/report/v1/ssl-certificates", {}).json()["reports"]] == [
        mine
    ]
    assert refused(rao.get(f"/ssl/v1/{theirs}"), -5101, status=404)
    assert refused(rao.get(f"/ssl/v1/collect/{theirs}"), -5101, status=404)
    assert refused(rao.post(f"/ssl/v1/revoke/{theirs}", REVOKE), -124)
    serial = scm.details(theirs)["serialNumber"]
    assert refused(rao.post(f"/ssl/v1/revoke/serial/{serial}", REVOKE), -124)
    assert {row["sslId"] for row in scm.get("/ssl/v1").json()} == {theirs, mine}


def test_an_order_for_others_is_refused(scm: Customer, drao: Colleague) -> None:
    assert refused(drao.post("/ssl/v1/enroll", order(orgId=9101)), -226)

    scm.set(foreign_organization_code=-3)

    assert refused(drao.post("/ssl/v1/enroll", order(orgId=9101)), -3)
    assert drao.post("/ssl/v1/enroll", order()).status_code == 200


def test_one_account_may_have_to_wait_for_approval(scm: Customer, drao: Colleague) -> None:
    scm.set(withheld_privileges=["drao:autoApproveCertificates"])

    waits, goes = drao.enroll(), scm.enroll()

    assert drao.details(waits)["status"] == "Requested"
    assert scm.details(goes)["status"] == "Applied"
    assert scm.post(f"/ssl/v1/approve/{waits}", {"message": "yes"}).status_code == 204
    assert drao.details(waits)["owner"] == "svc-pipeline@nordhafen.example"
    assert drao.details(waits)["requester"] == "it-services@nordhafen.example"


CALLS: list[tuple[str, str, str, Any]] = [
    ("sslRequest", "POST", "/ssl/v1/enroll", order()),
    ("sslRenew", "POST", "/ssl/v1/renewById/{}", {}),
    ("sslReplace", "POST", "/ssl/v1/replace/{}", {"csr": csr(), "reason": "x"}),
    ("sslRevoke", "POST", "/ssl/v1/revoke/{}", REVOKE),
    ("sslApprove", "POST", "/ssl/v1/approve/{}", {"message": "x"}),
    ("sslManage", "PUT", "/ssl/v1", {"sslId": 1}),
    ("allowDCV", "GET", "/dcv/v1/validation", None),
    ("allowManageDomains", "PUT", "/domain/v1/40211/suspend", None),
]


@pytest.mark.parametrize(("privilege", "method", "path", "body"), CALLS)
def test_a_privilege_can_be_taken_away(
    scm: Customer, privilege: str, method: str, path: str, body: Any
) -> None:
    ssl_id = scm.issued()
    scm.set(withheld_privileges=[f"admin:{privilege}"])

    answer = scm.call(method, path.format(ssl_id), json=body)

    assert refused(answer, -3)
    scm.set(no_privilege_code=-25)
    assert refused(scm.call(method, path.format(ssl_id), json=body), -25)


def test_the_whole_customers_administrator_sees_all_others_themselves(
    scm: Customer, rao: Colleague
) -> None:
    rows = scm.get("/admin/v1").json()
    (mine,) = rao.get("/admin/v1").json()

    assert {row["login"] for row in rows} == {"admin", "rao", "drao"}
    record = rao.get(f"/admin/v1/{mine['id']}").json()
    assert record["credentials"] == [
        {"role": "RAO_SSL", "orgId": 9201},
        {"role": "RAO_SSL", "orgId": 9202},
    ]
    (admin,) = [row for row in rows if row["login"] == "admin"]
    assert refused(rao.get(f"/admin/v1/{admin['id']}"), -5101, status=404)
    assert scm.get(f"/admin/v1/{admin['id']}").json()["credentials"] == [{"role": "MRAO"}]


def test_a_record_has_the_privileges_that_are_left(scm: Customer, rao: Colleague) -> None:
    (mine,) = rao.get("/admin/v1").json()
    scm.set(withheld_privileges=["rao:sslRevoke"], auto_approve=False)

    privileges = rao.get(f"/admin/v1/{mine['id']}").json()["privileges"]

    assert "sslRequest" in privileges
    assert not {"sslRevoke", "autoApproveCertificates"} & set(privileges)


def test_administrators_may_be_hidden(scm: Customer) -> None:
    scm.set(shows_admins=False)

    assert refused(scm.get("/admin/v1"), -3)
    assert refused(scm.get("/admin/v1/301"), -3)
