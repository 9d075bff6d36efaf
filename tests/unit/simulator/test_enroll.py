"""Tests of an order, and of every reason SCM has to refuse one."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.unit.simulator.customer import (
    EC_ONLY,
    HOSPITAL,
    IT_SERVICES,
    RSA_ONLY,
    SHOP,
    Customer,
    csr,
    order,
    refused,
)


def test_an_order_is_answered_with_two_ids(scm: Customer) -> None:
    answer = scm.post("/ssl/v1/enroll", order())

    assert set(answer.json()) == {"sslId", "renewId"}
    assert len(answer.json()["renewId"]) == 20


def test_the_same_order_twice_is_two_orders(scm: Customer) -> None:
    first, second = scm.enroll(), scm.enroll()

    assert second > first
    assert len(scm.orders()) == 2


def test_an_order_just_taken_in_leaves_out_what_is_not_known(scm: Customer) -> None:
    names = f"{SHOP},www.{SHOP}"
    field = [{"name": "CostCentre", "value": "4711"}]
    ssl_id = scm.enroll(subjAltNames=names, comments="[ref:1]", customFields=field)

    details = scm.details(ssl_id)

    assert details["status"] == "Applied"
    assert details["id"] == details["sslId"] == ssl_id
    assert details["orgId"] == IT_SERVICES
    assert details["backendCertId"] == str(details["orderNumber"])
    assert details["subjectAlternativeNames"] == [SHOP, f"www.{SHOP}"]
    assert (details["keyType"], details["keySize"]) == ("EC - P-256", 0)
    assert details["comments"] == "[ref:1]"
    assert details["customFields"] == field
    assert details["certificateDetails"] == {}
    unknown = {"serialNumber", "issued", "expires", "revoked", "reasonCode", "externalRequester"}
    assert not unknown & set(details)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"orgId": None}, -7),
        ({"certType": None}, -7),
        ({"term": None}, -7),
        ({"csr": None}, -7),
        ({"csr": ""}, -7),
        ({"orgId": 0}, -1601),
        ({"orgId": 4242}, -1023),
        ({"certType": 1}, -111),
        ({"certType": RSA_ONLY}, -39),
        ({"term": 365}, -36),
        ({"csr": "not * base64"}, -9),
        ({"csr": base64.b64encode(b"no request").decode()}, -10),
        ({"csr": csr(common_name=None)}, -10),
        ({"csr": "A" * 32768}, -1601),
        ({"csr": csr(None), "subjAltNames": f"{'a' * 60}.nordhafen.example"}, -1601),
        ({"csr": csr(common_name="no name of a host")}, -1601),
        ({"csr": csr(common_name="www.elsewhere.example")}, -1010),
        ({"csr": csr(common_name="www.hospital.example")}, -1010),
        ({"csr": csr(common_name="*.shop.nordhafen.example")}, -1010),
        ({"subjAltNames": "www.elsewhere.example"}, -1010),
        ({"subjAltNames": "www.lapsed.example"}, -107),
        ({"subjAltNames": "unproven.example"}, -107),
        ({"subjAltNames": "asleep.example"}, -715),
        ({"subjAltNames": [SHOP]}, -1002),
        ({"comments": "x" * 1025}, -1601),
        ({"externalRequester": "x" * 513}, -1601),
        ({"externalRequester": "nobody"}, -1601),
        ({"customFields": [{"name": "CostCentre", "value": "x" * 257}]}, -1601),
        ({"customFields": [{"name": "Unheard", "value": "x"}]}, -64),
        ({"customFields": "CostCentre"}, -1002),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_and_leaves_no_record(
    scm: Customer, changes: dict[str, Any], code: int
) -> None:
    assert refused(scm.post("/ssl/v1/enroll", order(**changes)), code)
    assert scm.orders() == []


@pytest.mark.parametrize("raw", [b"{", b'""', b"[]", b""])
def test_a_body_that_is_no_json_object_cannot_be_parsed(scm: Customer, raw: bytes) -> None:
    assert refused(scm.call("POST", "/ssl/v1/enroll", data=raw), -1002)


def test_a_key_must_be_one_of_the_profiles(scm: Customer) -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    big_curve = ec.generate_private_key(ec.SECP521R1())
    wrong_algorithm = order(certType=EC_ONLY, csr=csr(key=rsa_key))
    wrong_size = order(csr=csr(key=big_curve))

    assert refused(scm.post("/ssl/v1/enroll", wrong_algorithm), -11)
    assert refused(scm.post("/ssl/v1/enroll", wrong_size), -13)
    name = "www.hospital.example"
    body = order(orgId=HOSPITAL, certType=RSA_ONLY, csr=csr(name, rsa_key))
    assert scm.post("/ssl/v1/enroll", body).status_code == 200


def test_a_mandatory_field_must_be_filled(scm: Customer) -> None:
    scm.set(mandatory_custom_fields=["CostCentre"], external_requester_required=True)
    field = [{"name": "CostCentre", "value": "4711"}]

    no_requester = scm.post("/ssl/v1/enroll", order(customFields=field))
    no_field = scm.post("/ssl/v1/enroll", order(externalRequester="a@x.example"))

    assert refused(no_requester, -139)
    assert refused(no_field, -62)
    assert scm.enroll(customFields=field, externalRequester="a@x.example, b@x.example")


def test_an_organization_may_be_shut_off_from_the_api(scm: Customer) -> None:
    scm.set(api_disabled_organizations=[IT_SERVICES])

    assert refused(scm.post("/ssl/v1/enroll", order()), -1021)


def test_fields_that_scm_does_not_know_are_ignored(scm: Customer) -> None:
    assert scm.enroll(numberServers=1, serverType=-1, surprise={"a": 1})


def test_a_request_without_armour_will_do(scm: Customer) -> None:
    bare = "".join(csr().splitlines()[1:-1])

    assert scm.enroll(csr=bare)


def test_wildcards_need_a_delegation_of_their_own(scm: Customer) -> None:
    assert scm.enroll(csr=csr("*.nordhafen.example"))
    assert scm.enroll(csr=csr("*.cs.nordhafen.example"))


def test_without_automatic_approval_an_order_waits(scm: Customer) -> None:
    scm.set(auto_approve=False)

    details = scm.details(scm.enroll())

    assert details["status"] == "Requested"
    assert "orderNumber" not in details
    assert "approved" not in details
