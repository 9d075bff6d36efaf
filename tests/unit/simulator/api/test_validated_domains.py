"""Tests of which domains are validated, and for whom: parents, wildcards, organisations, suspended ones."""

from typing import Any

from tests.unit.simulator.customer import LOGIN, Customer, csr, order, refused

V1, V2 = "/dcv/v1/validation", "/dcv/v2/validation"
NEW = {"domain": "unproven.example"}


def validate(scm: Customer, name: str) -> Any:
    """Start and submit a validation, whose proof is found at once. Returns the status."""
    scm.set(dcv_after_ms=0)
    for deed in ("start", "submit"):
        answer = scm.post(f"{V1}/{deed}/domain/cname", {"domain": name})
        assert answer.status_code == 200, answer.text
    return scm.post(f"{V1}/status", {"domain": name}).json()["status"]


def create(scm: Customer, name: str, *org_ids: int, privileges: tuple[str, ...] = ()) -> None:
    """Create a domain, delegated to organisations."""
    given = {"domainCertificateRequestPrivileges": list(privileges)} if privileges else {}
    delegations = [{"orgId": org_id, "certTypes": ["SSL"], **given} for org_id in org_ids]
    answer = scm.post("/domain/v1", {"name": name, "delegations": delegations})
    assert answer.status_code == 201, answer.text


def test_a_parent_s_validation_covers_its_children(scm: Customer) -> None:
    create(scm, "lab.unproven.example", 9102)
    assert refused(scm.post(f"{V1}/start/domain/cname", {"domain": "lab.unproven.example"}), -723)
    assert refused(scm.post("/ssl/v1/enroll", order(csr=csr("a.lab.unproven.example"))), -107)

    assert validate(scm, "unproven.example") == "VALIDATED"

    assert scm.enroll(csr=csr("a.lab.unproven.example"))


def test_a_wildcard_entry_is_validated_with_its_domain(scm: Customer) -> None:
    create(scm, "*.unproven.example", 9102)
    assert refused(scm.post(f"{V1}/start/domain/cname", {"domain": "*.unproven.example"}), -723)

    validate(scm, "unproven.example")

    assert scm.enroll(csr=csr("*.unproven.example"))


def test_a_wildcard_entry_that_stands_alone_is_validated_itself(scm: Customer) -> None:
    create(scm, "*.alone.example", 9102)
    assert "*.alone.example" in [row["domain"] for row in scm.get(V1, size=200).json()]
    started = scm.post(f"{V1}/start/domain/cname", {"domain": "*.alone.example"}).json()
    assert started["host"].endswith(".alone.example.")
    assert "*" not in started["host"]

    assert validate(scm, "*.alone.example") == "VALIDATED"

    assert scm.enroll(csr=csr("*.alone.example"))


def test_one_validation_counts_for_every_organisation_of_a_domain(scm: Customer) -> None:
    create(scm, "shared.example", 9102, 9202)
    drao, rao = ({**LOGIN, "login": login} for login in ("drao", "rao"))
    scm.set(dcv_after_ms=0)
    body = {"domain": "shared.example"}
    for deed in ("start", "submit"):
        scm.call("POST", f"{V1}/{deed}/domain/cname", json=body, headers=drao)

    seen = scm.call("POST", f"{V1}/status", json=body, headers=rao).json()

    assert seen["status"] == "VALIDATED"
    assert scm.enroll(csr=csr("a.shared.example"))
    assert scm.enroll(csr=csr("b.shared.example"), orgId=9202)


def test_a_domain_of_another_organisation_is_not_found(scm: Customer) -> None:
    drao = {**LOGIN, "login": "drao"}

    answer = scm.call(
        "POST", f"{V1}/start/domain/cname", json={"domain": "seaice.example"}, headers=drao
    )

    assert refused(answer, -727)


def test_a_suspended_domain_is_validated_only_if_the_switch_says_so(scm: Customer) -> None:
    asleep = {"domain": "asleep.example"}
    assert refused(scm.post(f"{V1}/start/domain/cname", asleep), -715)
    assert refused(scm.post(f"{V1}/submit/domain/txt", asleep), -715)
    assert scm.post(f"{V1}/status", asleep).json()["status"] == "VALIDATED"

    scm.set(dcv_of_suspended=True)

    assert scm.post(f"{V1}/start/domain/cname", asleep).status_code == 200


def test_who_lacks_the_privilege_validates_nothing(scm: Customer) -> None:
    scm.set(withheld_privileges=["admin:allowDCV"])

    for path in ("status", "start/domain/cname", "submit/domain/txt", "sync", "clear", "delete"):
        answer = scm.post(f"{V1}/{path}", NEW)
        assert refused(answer, -3)
        assert answer.json()["description"] == "You are not authorized to perform DCV validation."
    assert refused(scm.get(V1), -3)


def test_a_customer_without_validation_is_refused_each_call(scm: Customer) -> None:
    scm.set(dcv_enabled=False)

    for path in ("status", "start/domain/cname", "submit/domain/txt", "sync", "clear", "delete"):
        assert refused(scm.post(f"{V1}/{path}", NEW), -1608)


def test_a_text_has_a_start_in_the_newer_version_only(scm: Customer) -> None:
    assert scm.post(f"{V1}/start/domain/txt", NEW).status_code == 404
    started = scm.post(f"{V2}/start/domain/txt", NEW)

    assert set(started.json()) == {"message"}
    assert scm.post(f"{V1}/status", NEW).json()["orderStatus"] == "AWAITING_SUBMISSION"
    assert {"host", "point"} <= set(scm.post(f"{V2}/submit/domain/txt", NEW).json())


def test_a_proof_stays_the_same_unless_the_switch_says_otherwise(scm: Customer) -> None:
    def started() -> str:
        found: str = scm.post(f"{V1}/start/domain/cname", NEW).json()["point"]
        assert scm.post(f"{V1}/status", NEW).json()["point"] == found
        return found

    assert started() == started()
    scm.set(dcv_new_proofs=True)
    assert started() != started()


def test_a_validation_in_force_stays_so_while_another_one_is_in_progress(scm: Customer) -> None:
    scm.set(dcv_after_ms=3_600_000)
    body = {"domain": "nordhafen.example"}
    scm.post(f"{V1}/start/domain/cname", body)
    scm.post(f"{V1}/submit/domain/cname", body)

    found = scm.post(f"{V1}/status", body).json()

    assert (found["status"], found["orderStatus"]) == ("VALIDATED", "SUBMITTED")
    assert scm.enroll()
