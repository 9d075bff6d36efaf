"""Tests of domain control validation, from the list to a domain that may be ordered for."""

from typing import Any

import pytest

from tests.unit.simulator.customer import SHOP, Customer, csr, order, refused

V1 = "/dcv/v1/validation"
UNPROVEN = {"domain": "unproven.example"}


def listed(scm: Customer, **query: Any) -> list[str]:
    return [row["domain"] for row in scm.get(V1, **query).json()]


def test_the_list_has_domains_that_are_validated_on_their_own(scm: Customer) -> None:
    answer = scm.get(V1, size=200)

    found = {row["domain"] for row in answer.json()}
    assert {"nordhafen.example", "unproven.example"} <= found
    assert not {"*.nordhafen.example", "cs.nordhafen.example"} & found
    assert answer.headers["X-Total-Count"] == str(len(found))
    assert len(scm.get(V1, size=2, position=1).json()) == 2


def test_the_list_can_be_filtered(scm: Customer) -> None:
    assert listed(scm, domain="lapsed") == ["lapsed.example"]
    assert listed(scm, dcvStatus="EXPIRED") == ["lapsed.example"]
    assert listed(scm, dcvStatus="Not validated") == ["unproven.example"]
    assert listed(scm, department=9202) == ["hospital.example", "radiology.example"]
    assert listed(scm, orderStatus="SUBMITTED") == []
    assert listed(scm, expiresIn=1) == ["lapsed.example"]


def test_a_state_may_be_spoken(scm: Customer) -> None:
    scm.set(spoken_states=True)

    assert scm.post("/dcv/v2/validation/status", UNPROVEN).json()["status"] == "Not validated"
    assert scm.get("/domain/v1/40211").json()["validationStatus"] == "Validated"


@pytest.mark.parametrize(
    ("mode", "keys"),
    [
        ("http", {"url", "firstLine", "secondLine"}),
        ("https", {"url", "firstLine", "secondLine"}),
        ("cname", {"host", "point"}),
        ("email", {"emails", "dcvEmails"}),
    ],
)
def test_a_proof_is_started_submitted_and_found(scm: Customer, mode: str, keys: set[str]) -> None:
    scm.set(dcv_after_ms=0)
    mail = {"email": "hostmaster@unproven.example"} if mode == "email" else {}

    started = scm.post(f"{V1}/start/domain/{mode}", UNPROVEN).json()
    waiting = scm.post(f"{V1}/status", UNPROVEN).json()
    submitted = scm.post(f"{V1}/submit/domain/{mode}", {**UNPROVEN, **mail}).json()

    assert set(started) == keys
    assert waiting["orderStatus"] == "AWAITING_SUBMISSION"
    assert submitted["orderStatus"] == "SUBMITTED"
    assert ("emailValidationReferenceNumber" in submitted) == (mode == "email")
    proven = scm.post(f"{V1}/sync?force=true", UNPROVEN).json()
    assert (proven["status"], proven["orderStatus"]) == ("VALIDATED", "NOT_INITIATED")
    assert scm.enroll(csr=csr("www.unproven.example"))


def test_a_text_record_is_submitted_without_a_start(scm: Customer) -> None:
    answer = scm.post(f"{V1}/submit/domain/txt", UNPROVEN).json()

    assert {"host", "point", "orderBackendId"} <= set(answer)
    assert scm.post(f"{V1}/status", UNPROVEN).json()["orderMode"] == "TXT"


def test_the_ca_takes_its_time_over_a_proof(scm: Customer) -> None:
    scm.set(dcv_after_ms=3_600_000)
    scm.post(f"{V1}/start/domain/cname", UNPROVEN)
    scm.post(f"{V1}/submit/domain/cname", UNPROVEN)

    status = scm.post(f"{V1}/status", UNPROVEN).json()

    assert (status["status"], status["orderStatus"]) == ("NOT_VALIDATED", "SUBMITTED")
    assert status["submittedDate"] < status["nextCheck"]
    assert scm.post(f"{V1}/clear", UNPROVEN).json()["orderStatus"] == "NOT_INITIATED"


def test_a_proof_in_the_wrong_state_or_place_is_refused(scm: Customer) -> None:
    assert refused(scm.post(f"{V1}/submit/domain/cname", UNPROVEN), -724)
    below = {"domain": "cs.nordhafen.example"}
    assert refused(scm.post(f"{V1}/start/domain/cname", below), -723)
    assert refused(scm.post(f"{V1}/status", {"domain": "elsewhere.example"}), -727)
    assert refused(scm.post(f"{V1}/start/domain/pigeon", UNPROVEN), -1601)


def test_a_deleted_validation_stops_orders(scm: Customer) -> None:
    answer = scm.post(f"{V1}/delete", {"domain": "nordhafen.example"})

    assert answer.json()["status"] == "NOT_VALIDATED"
    assert refused(scm.post("/ssl/v1/enroll", order()), -107)


def test_a_certificate_tells_how_its_domains_stand(scm: Customer) -> None:
    ssl_id = scm.enroll()
    scm.post(f"{V1}/delete", {"domain": "nordhafen.example"})

    found = scm.get(f"/ssl/v1/{ssl_id}/dcv").json()

    (line,) = found["dcvLog"]["log"]
    assert line == {"dcvStatus": "Awaiting Validation", "domainName": "nordhafen.example"}
    assert found["instructions"][0]["dcvMode"] == "CNAME"


def test_a_customer_without_validation_names_a_mode_in_each_order(scm: Customer) -> None:
    scm.set(dcv_enabled=False)

    assert refused(scm.get(V1), -1608)
    assert "validationStatus" not in scm.get("/domain/v1/40211").json()
    assert refused(scm.post("/ssl/v1/enroll", order()), -7)
    assert refused(scm.post("/ssl/v1/enroll", order(dcvMode="EMAIL")), -7)
    assert refused(scm.post("/ssl/v1/enroll", order(dcvMode="PIGEON")), -1601)
    assert scm.enroll(dcvMode="CNAME", csr=csr(f"new.{SHOP}"))
