"""Tests of the client `cert-manager` with organisations, domains and their validation."""

from typing import Any

import pytest
import requests
from cert_manager import (  # type: ignore[import-untyped, unused-ignore]  # it has no types
    Client,
    Domain,
    DomainControlValidation,
    Organization,
)

from certline.simulator.server import Simulator


def test_it_finds_organizations_and_departments_by_name(client: Any) -> None:
    organizations = Organization(client=client)

    (university,) = organizations.find(org_name="Nordhafen University")
    (library,) = organizations.find(dept_name="Library")

    assert university["id"] == 9101
    assert library == {"id": 9103, "name": "Library", "parentName": "Nordhafen University"}


def test_it_lists_counts_and_reads_domains(client: Any) -> None:
    domains = Domain(client=client)

    assert len(domains.all()) == 12  # a limitation its users report
    assert len(domains.find(size=200)) == domains.count()["count"] == 16
    assert domains.get(40211)["name"] == "nordhafen.example"


def test_it_keeps_a_domain_from_its_creation_to_its_end(client: Any) -> None:
    domains = Domain(client=client)

    domain_id = domains.create("harbour.example", 9101, ["SSL"])["id"]
    assert domains.get(domain_id)["validationStatus"] == "NOT_VALIDATED"
    assert domains.suspend(domain_id)
    assert domains.get(domain_id)["state"] == "SUSPENDED"
    assert domains.activate(domain_id)
    assert domains.delegate(domain_id, 9201, ["SSL"])
    assert [each["orgId"] for each in domains.get(domain_id)["delegations"]] == [9101, 9201]
    assert domains.remove_delegation(domain_id, 9201, ["SSL"])
    assert [each["orgId"] for each in domains.get(domain_id)["delegations"]] == [9101]
    assert domains.delete(domain_id)
    with pytest.raises(requests.HTTPError) as gone:
        domains.get(domain_id)
    assert gone.value.response.status_code == 404


def test_it_gets_the_reason_why_a_domain_cannot_be_created(client: Any) -> None:
    with pytest.raises(ValueError, match="exists already"):
        Domain(client=client).create("nordhafen.example", 9101, ["SSL"])


def test_it_approves_and_rejects_what_a_department_asked_for(client: Any, scm: Simulator) -> None:
    domains = Domain(client=client)
    with requests.Session() as session:
        drao = Client(
            base_url=scm.url,
            login_uri="demo",
            username="drao",
            password="secret",
            session=session,
        )
        asked = [
            Domain(client=drao).create(name, 9102, ["SSL"])["id"]
            for name in ("tide.example", "ebb.example")
        ]
    assert [domains.get(each)["delegationStatus"] for each in asked] == ["REQUESTED"] * 2

    assert domains.approve_delegation(asked[0], 9102)
    assert domains.reject_delegation(asked[1], 9102)

    assert domains.get(asked[0])["delegationStatus"] == "ACTIVE"
    assert domains.get(asked[1])["delegations"] == []


def test_it_validates_a_domain(client: Any) -> None:
    dcv = DomainControlValidation(client=client)

    assert dcv.get_validation_status("unproven.example")["status"] == "NOT_VALIDATED"
    started = dcv.start_validation_cname("unproven.example")
    submitted = dcv.submit_validation_cname("unproven.example")

    assert set(started) == {"host", "point"}
    assert submitted["orderStatus"] == "SUBMITTED"
    assert dcv.get_validation_status("unproven.example")["status"] == "VALIDATED"
    (row,) = dcv.search(domain="unproven")
    assert row["dcvStatus"] == "VALIDATED"
    with pytest.raises(ValueError, match="not found"):
        dcv.get_validation_status("elsewhere.example")
