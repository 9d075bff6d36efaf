"""Tests of operations on an ordered certificate."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit.simulator.customer import (
    EC_KEY,
    MULTI_DOMAIN,
    SHOP,
    Customer,
    csr,
    order,
    refused,
)

REVOKE = {"reasonCode": 4, "reason": "superseded"}
MESSAGE = {"message": "as agreed"}


def test_an_approved_order_goes_to_the_ca(scm: Customer) -> None:
    scm.set(auto_approve=False)
    ssl_id = scm.enroll()

    answer = scm.post(f"/ssl/v1/approve/{ssl_id}", MESSAGE)

    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers
    assert scm.details(ssl_id)["status"] == "Applied"
    assert refused(scm.post(f"/ssl/v1/approve/{ssl_id}", MESSAGE), -1112)


def test_a_declined_order_ends(scm: Customer) -> None:
    scm.set(auto_approve=False)
    ssl_id = scm.enroll()

    assert scm.post(f"/ssl/v1/decline/{ssl_id}", MESSAGE).status_code == 204

    assert scm.details(ssl_id)["status"] == "Declined"
    assert "declined" in scm.details(ssl_id)
    assert refused(scm.post(f"/ssl/v1/decline/{ssl_id}", MESSAGE), -1112)


def test_approving_needs_a_message(scm: Customer) -> None:
    scm.set(auto_approve=False)
    ssl_id = scm.enroll()

    assert refused(scm.post(f"/ssl/v1/approve/{ssl_id}", {}), -7)
    assert refused(scm.post(f"/ssl/v1/approve/{ssl_id}", {"message": "x" * 513}), -1601)


ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("/approve/{}", MESSAGE),
    ("/decline/{}", MESSAGE),
    ("/revoke/{}", REVOKE),
    ("/revoke/serial/{}", REVOKE),
    ("/renewById/{}", {}),
    ("/renew/{}", {}),
    ("/renew/manual/{}", {}),
    ("/replace/{}", {"csr": csr(), "reason": "new key"}),
]


@pytest.mark.parametrize(("path", "body"), ACTIONS)
def test_nothing_can_be_done_to_an_unknown_certificate(
    scm: Customer, path: str, body: dict[str, Any]
) -> None:
    assert refused(scm.post("/ssl/v1" + path.format(99), body), -124)


def test_a_certificate_is_revoked_once(scm: Customer) -> None:
    ssl_id = scm.issued()

    assert scm.post(f"/ssl/v1/revoke/{ssl_id}", REVOKE).status_code == 204

    details = scm.details(ssl_id)
    assert (details["status"], details["reasonCode"]) == ("Revoked", 4)
    assert "revoked" in details
    again = scm.post(f"/ssl/v1/revoke/{ssl_id}", REVOKE)
    assert refused(again, -102)
    assert again.json()["description"] == "Only issued certificates could be revoked."


def test_what_is_not_issued_cannot_be_revoked(scm: Customer) -> None:
    assert refused(scm.post(f"/ssl/v1/revoke/{scm.enroll()}", REVOKE), -102)


def test_a_reason_code_may_be_a_text_or_missing(scm: Customer) -> None:
    as_text, missing = scm.issued(), scm.issued()

    scm.post(f"/ssl/v1/revoke/{as_text}", {"reasonCode": "1", "reason": "lost"})
    scm.post(f"/ssl/v1/revoke/{missing}", {"reason": "lost"})

    assert scm.details(as_text)["reasonCode"] == 1
    assert scm.details(missing)["reasonCode"] == 0


def test_a_revocation_needs_a_good_reason(scm: Customer) -> None:
    path = f"/ssl/v1/revoke/{scm.issued()}"

    assert refused(scm.post(path, {"reasonCode": 4, "reason": ""}), -7)
    assert refused(scm.post(path, {"reasonCode": 2, "reason": "x"}), -1601)
    assert refused(scm.post(path, {"reasonCode": 4, "reason": "x" * 513}), -1601)
    scm.set(reason_code_required=True)
    assert refused(scm.post(path, {"reason": "lost"}), -7)


def test_a_certificate_is_revoked_by_its_serial(scm: Customer) -> None:
    ssl_id = scm.issued()
    serial = scm.details(ssl_id)["serialNumber"]

    assert scm.post(f"/ssl/v1/revoke/serial/{serial}", REVOKE).status_code == 204

    assert scm.details(ssl_id)["status"] == "Revoked"


def test_a_revocation_elsewhere_is_only_noted(scm: Customer) -> None:
    ssl_id = scm.issued()
    body = {"certId": ssl_id, "revokeDate": "2026-11-02", "reasonCode": 1}

    assert scm.post("/ssl/v1/revoke/manual", body).status_code == 204

    assert scm.details(ssl_id)["revoked"] == "11/02/2026"
    assert refused(scm.post("/ssl/v1/revoke/manual", {"reasonCode": 1}), -7)


def test_a_renewal_is_a_new_record_and_the_old_one_says_so(scm: Customer) -> None:
    old = scm.issued(subjAltNames=f"www.{SHOP}", comments="mine")
    key = ec.generate_private_key(ec.SECP256R1())

    answer = scm.post(f"/ssl/v1/renewById/{old}", {"csr": csr(key=key)})
    new = answer.json()["sslId"]
    scm.deed(new, "issue")

    assert set(answer.json()) == {"sslId"}
    assert new != old
    before, after = scm.details(old), scm.details(new)
    assert (before["status"], before["renewed"]) == ("Issued", True)
    assert "renewedDate" in before
    assert (after["commonName"], after["comments"]) == (SHOP, "mine")
    assert after["subjectAlternativeNames"] == [SHOP, f"www.{SHOP}"]
    info = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert scm.leaf(new).public_key().public_bytes(*info) == key.public_key().public_bytes(*info)


def test_a_renewal_without_a_request_keeps_the_key(scm: Customer) -> None:
    new = scm.call("POST", f"/ssl/v1/renewById/{scm.issued()}").json()["sslId"]
    scm.deed(new, "issue")

    info = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert scm.leaf(new).public_key().public_bytes(*info) == EC_KEY.public_key().public_bytes(*info)


def test_an_empty_text_as_body_of_a_renewal_is_none_unless_scm_is_strict(scm: Customer) -> None:
    path = f"/ssl/v1/renewById/{scm.issued()}"

    assert scm.call("POST", path, data='""').status_code == 200
    scm.set(strict_renew_body=True)
    assert refused(scm.call("POST", path, data='""'), -1002)


def test_renewals_can_be_forbidden(scm: Customer) -> None:
    pending, issued = scm.enroll(), scm.issued()

    assert refused(scm.post(f"/ssl/v1/renewById/{pending}", {}), -105)
    scm.set(renew_needs_csr=True)
    assert refused(scm.post(f"/ssl/v1/renewById/{issued}", {}), -7)
    scm.set(renew_needs_csr=False, renew_twice=False)
    assert scm.post(f"/ssl/v1/renewById/{issued}", {}).status_code == 200
    assert refused(scm.post(f"/ssl/v1/renewById/{issued}", {}), -105)
    scm.set(no_renewal_profiles=[MULTI_DOMAIN])
    assert refused(scm.post(f"/ssl/v1/renewById/{issued}", {}), -180)


def test_a_renewal_by_renew_id_does_not_tell_the_new_id(scm: Customer) -> None:
    answer = scm.post("/ssl/v1/enroll", order()).json()
    scm.deed(answer["sslId"], "issue")

    renewed = scm.post(f"/ssl/v1/renew/{answer['renewId']}", {"csr": csr()})

    assert (renewed.status_code, renewed.content) == (204, b"")
    assert len(scm.orders()) == 2


def test_a_renewal_elsewhere_is_only_noted(scm: Customer) -> None:
    ssl_id = scm.issued()

    assert scm.post(f"/ssl/v1/renew/manual/{ssl_id}", {}).status_code == 204

    assert scm.details(ssl_id)["renewed"] is True
    assert len(scm.orders()) == 1


def test_a_replacement_keeps_the_id_and_the_end(scm: Customer) -> None:
    ssl_id = scm.issued()
    old, number = scm.leaf(ssl_id), scm.details(ssl_id)["orderNumber"]
    names = [SHOP, f"new.{SHOP}"]
    key = ec.generate_private_key(ec.SECP256R1())
    body = {"csr": csr(key=key), "reason": "moved", "subjectAlternativeNames": names}

    answer = scm.post(f"/ssl/v1/replace/{ssl_id}", body)

    assert (answer.status_code, answer.content) == (204, b"")
    during = scm.details(ssl_id)
    assert during["status"] == "Applied"
    assert "serialNumber" not in during
    assert refused(scm.get(f"/ssl/v1/collect/{ssl_id}"), 0)
    scm.deed(ssl_id, "issue")
    new, details = scm.leaf(ssl_id), scm.details(ssl_id)
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc == old.not_valid_after_utc
    assert details["subjectAlternativeNames"] == names
    assert details["orderNumber"] == number
    assert "replaced" in details


def test_a_replaced_certificate_can_still_be_revoked_by_its_serial(scm: Customer) -> None:
    ssl_id = scm.issued()
    old = scm.details(ssl_id)["serialNumber"]
    scm.post(f"/ssl/v1/replace/{ssl_id}", {"csr": csr(), "reason": "key leaked"})
    scm.deed(ssl_id, "issue")

    assert scm.post(f"/ssl/v1/revoke/serial/{old}", REVOKE).status_code == 204

    assert scm.details(ssl_id)["status"] == "Issued"
    assert refused(scm.post(f"/ssl/v1/revoke/serial/{old}", REVOKE), -102)


def test_a_replacement_may_show_the_old_certificate_meanwhile(scm: Customer) -> None:
    scm.set(replace_status="Issued", replace_collects_old=True, replace_new_order_number=True)
    ssl_id = scm.issued()
    old, before = scm.leaf(ssl_id), scm.details(ssl_id)

    scm.post(f"/ssl/v1/replace/{ssl_id}", {"csr": csr(), "reason": "new key"})

    assert scm.details(ssl_id)["status"] == "Issued"
    assert scm.details(ssl_id)["orderNumber"] != before["orderNumber"]
    assert scm.leaf(ssl_id) == old


def test_a_replacement_needs_a_request_and_a_reason(scm: Customer) -> None:
    issued, pending = scm.issued(), scm.enroll()

    assert refused(scm.post(f"/ssl/v1/replace/{issued}", {"reason": "x"}), -7)
    assert refused(scm.post(f"/ssl/v1/replace/{issued}", {"csr": csr()}), -7)
    body = {"csr": csr(), "reason": "x"}
    assert refused(scm.post(f"/ssl/v1/replace/{pending}", body), -130)
    foreign = {**body, "subjectAlternativeNames": ["www.elsewhere.example"]}
    assert refused(scm.post(f"/ssl/v1/replace/{issued}", foreign), -1010)
    as_text = {**body, "subjectAlternativeNames": SHOP}
    assert refused(scm.post(f"/ssl/v1/replace/{issued}", as_text), -1002)


def test_remarks_of_an_issued_certificate_can_be_changed(scm: Customer) -> None:
    ssl_id = scm.issued(comments="before")
    body = {
        "sslId": ssl_id,
        "comments": "after",
        "externalRequester": "team@nordhafen.example",
        "customFields": [{"name": "PipelineRef", "value": "7"}],
        "autoRenewDetails": {"state": "Scheduled"},
        "suspendNotifications": True,
    }

    answer = scm.call("PUT", "/ssl/v1", json=body)

    changed = answer.json()
    assert changed == scm.details(ssl_id)
    assert changed["comments"] == "after"
    assert changed["externalRequester"] == "team@nordhafen.example"
    assert changed["customFields"] == [{"name": "PipelineRef", "value": "7"}]
    assert changed["autoRenewDetails"] == {"state": "Scheduled", "daysBeforeExpiration": 30}
    assert changed["suspendNotifications"] is True


def test_what_was_ordered_changes_only_before_it_is_issued(scm: Customer) -> None:
    issued, rejected = scm.issued(), scm.enroll()
    scm.deed(rejected, "reject")

    assert refused(scm.call("PUT", "/ssl/v1", json={"sslId": issued, "term": 90}), -1112)
    edited = scm.call("PUT", "/ssl/v1", json={"sslId": rejected, "term": 90}).json()

    assert (edited["term"], edited["status"]) == (90, "Applied")


def test_a_change_that_breaks_a_rule_changes_nothing(scm: Customer) -> None:
    ssl_id = scm.issued(comments="before")
    body = {"sslId": ssl_id, "comments": "after", "autoRenewDetails": {"state": "Sometimes"}}

    assert refused(scm.call("PUT", "/ssl/v1", json=body), -1601)
    assert scm.details(ssl_id)["comments"] == "before"


def test_an_enrolled_certificate_cannot_be_deleted(scm: Customer) -> None:
    assert refused(scm.call("DELETE", f"/ssl/v1/{scm.issued()}"), -3)
