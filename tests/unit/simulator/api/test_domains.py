"""Tests of domains that are added and removed, and of who may order for them."""

from typing import Any

import pytest

from tests.unit.simulator.customer import Colleague, Customer, csr, order, refused

TO_LIBRARY = {"orgId": 9103, "certTypes": ["SSL"]}


def body(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "delegations": [TO_LIBRARY], **changes}


def created(scm: Customer, name: str, **changes: Any) -> int:
    answer = scm.post("/domain/v1", body(name, **changes))
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return int(answer.headers["Location"].rsplit("/", 1)[1])


def test_a_new_domain_is_told_by_its_location(scm: Customer) -> None:
    found = scm.get(f"/domain/v1/{created(scm, 'Harbour.example')}").json()

    assert (found["name"], found["state"]) == ("harbour.example", "ACTIVE")
    assert found["validationStatus"] == "NOT_VALIDATED"
    assert found["delegations"][0]["orgId"] == 9103


def test_a_domain_below_a_validated_one_is_validated(scm: Customer) -> None:
    wildcard = created(scm, "*.shop.nordhafen.example", delegations=[{**TO_LIBRARY, "orgId": 9102}])

    assert scm.get(f"/domain/v1/{wildcard}").json()["validationStatus"] == "VALIDATED"
    assert scm.enroll(csr=csr("*.shop.nordhafen.example"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": "nodots"}, -714),
        ({"name": "a..example"}, -732),
        ({"name": "nordhafen.example"}, -1601),
        ({"delegations": []}, -7),
        ({"delegations": ["x"]}, -1002),
        ({"delegations": [{"orgId": 7, "certTypes": ["SSL"]}]}, -1023),
        ({"delegations": [{"orgId": 9101, "certTypes": ["TLS"]}]}, -1601),
    ],
)
def test_a_domain_that_breaks_a_rule_is_refused(
    scm: Customer, changes: dict[str, Any], code: int
) -> None:
    assert refused(scm.post("/domain/v1", {**body("new.example"), **changes}), code)
    assert scm.get("/domain/v1/count").json() == {"count": 16}


def test_a_sleeping_domain_is_not_ordered_for_until_it_is_woken(scm: Customer) -> None:
    asleep = scm.call("PUT", "/domain/v1/40211/suspend")
    assert (asleep.status_code, asleep.content) == (200, b"")
    assert refused(scm.post("/ssl/v1/enroll", order()), -715)

    assert scm.call("PUT", "/domain/v1/40211/activate").status_code == 200

    assert scm.enroll()


def test_a_delegation_is_given_and_taken_back(scm: Customer) -> None:
    request = order(csr=csr("www.hospital.example"))
    assert refused(scm.post("/ssl/v1/enroll", request), -1010)

    scm.post("/domain/v1/40260/delegation", {"orgId": 9102, "certTypes": ["SSL", "SMIME"]})
    assert scm.post("/ssl/v1/enroll", request).status_code == 200

    path = "/domain/v1/40260/delegation"
    scm.call("DELETE", path, json={"orgId": 9102, "certTypes": ["SSL"]})
    assert refused(scm.post("/ssl/v1/enroll", request), -1010)


def test_several_domains_are_delegated_at_once(scm: Customer) -> None:
    ids = [40260, 40263]

    answer = scm.post("/domain/v1/delegation", {"domainIds": ids, **TO_LIBRARY})

    assert answer.status_code == 200
    assert {row["id"] for row in scm.get("/domain/v1", orgId=9103, size=200).json()} >= set(ids)
    assert refused(scm.post("/domain/v1/delegation", {"domainIds": [], **TO_LIBRARY}), -1601)
    assert refused(scm.post("/domain/v1/delegation", {"domainIds": [1], **TO_LIBRARY}), -727)


def test_what_a_part_asks_for_waits_for_the_whole(scm: Customer) -> None:
    drao = Colleague(scm.simulator, "drao")
    mine = [{"orgId": 9102, "certTypes": ["SSL"]}]
    domain_id = created(drao, "quay.nordhafen-university.example", delegations=mine)

    assert scm.get("/domain/v1", status="requested").json()[0]["id"] == domain_id
    path = f"/domain/v1/{domain_id}/delegation/approve"
    assert refused(drao.post(path, {"orgId": 9102}), -3)
    assert scm.post(path, {"orgId": 9102}).status_code == 200
    assert drao.get(f"/domain/v1/{domain_id}").json()["delegationStatus"] == "ACTIVE"
    other = body("pier.example", delegations=[TO_LIBRARY])
    assert refused(drao.post("/domain/v1", other), -226)


def test_a_reset_brings_the_first_domains_back(scm: Customer) -> None:
    created(scm, "harbour.example")
    scm.call("DELETE", "/domain/v1/40211")
    assert refused(scm.get("/domain/v1/40211"), -727, status=404)

    scm.door("POST", "/reset")

    assert scm.get("/domain/v1/40211").status_code == 200
    assert scm.get("/domain/v1/count").json() == {"count": 16}


def test_a_domain_with_an_umlaut_is_listed_in_either_spelling_and_can_be_ordered_for(
    scm: Customer,
) -> None:
    ace = "xn--mnchen-3ya.nordhafen.example"
    delegations = [{"orgId": 9102, "certTypes": ["SSL"]}]
    sent = {"name": "münchen.nordhafen.example", "delegations": delegations}
    assert scm.post("/domain/v1", sent).status_code == 201

    def listed() -> list[str]:
        return [row["name"] for row in scm.get("/domain/v1", name=ace).json()]

    assert listed() == [ace]
    scm.set(unicode_domains=True)
    assert listed() == ["münchen.nordhafen.example"]
    assert scm.enroll(csr=csr(ace))
