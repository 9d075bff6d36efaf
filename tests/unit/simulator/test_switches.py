"""Tests of settings for SCM's uncertain behaviour, in each variant."""

from datetime import date, timedelta

import pytest

from tests.unit.simulator.customer import (
    MULTI_DOMAIN,
    ONE_NAME,
    SHOP,
    Customer,
    csr,
    order,
    refused,
)


def test_a_profile_with_one_name_takes_no_other(scm: Customer) -> None:
    several = order(certType=ONE_NAME, subjAltNames=f"{SHOP},mail.nordhafen.example")
    assert refused(scm.post("/ssl/v1/enroll", several), -1601)
    scm.set(single_domain_code=-39)
    assert refused(scm.post("/ssl/v1/enroll", several), -39)

    ssl_id = scm.issued(certType=ONE_NAME, subjAltNames=f"{SHOP},www.{SHOP}")

    more = {"csr": csr(), "reason": "x", "subjectAlternativeNames": ["mail.nordhafen.example"]}
    assert refused(scm.post(f"/ssl/v1/replace/{ssl_id}", more), -39)


def test_a_profile_may_add_a_name_by_itself(scm: Customer) -> None:
    scm.set(www_profiles=[MULTI_DOMAIN])

    assert scm.details(scm.issued())["subjectAlternativeNames"] == [SHOP, f"www.{SHOP}"]


def test_an_unknown_id_may_be_not_found_for_actions_too(scm: Customer) -> None:
    scm.set(unknown_id_action_status=404, unknown_id_action_code=-5101)

    assert refused(scm.post("/ssl/v1/renewById/1", {}), -5101, status=404)


def test_a_reason_code_may_come_back_as_a_text(scm: Customer) -> None:
    scm.set(reason_code_as_text=True)
    ssl_id = scm.issued()
    assert "reasonCode" not in scm.details(ssl_id)

    scm.post(f"/ssl/v1/revoke/{ssl_id}", {"reasonCode": 4, "reason": "x"})

    assert scm.details(ssl_id)["reasonCode"] == "4"


def test_a_limit_need_not_say_when_to_come_back(scm: Customer) -> None:
    scm.set(rate_limit_per_s=1, retry_after=False)

    limited = [a for a in (scm.get("/ssl/v1") for _ in range(5)) if a.status_code == 429]

    assert limited
    assert "Retry-After" not in limited[0].headers


def test_dates_may_be_of_another_format_and_zone(scm: Customer) -> None:
    ssl_id = scm.enroll()
    scm.set(date_format="ISO")
    here = date.fromisoformat(scm.details(ssl_id)["requested"])
    moment = scm.get(f"/ssl/v1/{ssl_id}", dateFormat="ISO_HMS").json()["requested"]

    scm.set(day_zone_hours=24)

    there = date.fromisoformat(scm.details(ssl_id)["requested"])
    assert there - here == timedelta(days=1)
    # A timestamp contains its zone.
    assert scm.get(f"/ssl/v1/{ssl_id}", dateFormat="ISO_HMS").json()["requested"] == moment
    scm.set(obey_date_format=False)
    assert scm.get(f"/ssl/v1/{ssl_id}", dateFormat="EU").json()["requested"] == there.isoformat()


def test_custom_fields_come_with_their_inputs_too(scm: Customer) -> None:
    scm.set(mandatory_custom_fields=["CostCentre"])

    assert scm.get("/customField/v2", certType="SSL").json()[0] == {
        "id": 611,
        "name": "CostCentre",
        "certType": "ssl",
        "state": "ACTIVE",
        "input": {"type": "TEXT_SINGLE_LINE"},
        "mandatories": ["REST_API"],
    }
    assert scm.get("/customField/v2", certType="SMIME").json() == []


@pytest.mark.parametrize(
    "condition",
    [
        {"certificateStatus": 9},
        {"certificateDateAttribute": 1},
        {"serialNumberFormat": "Roman"},
    ],
)
def test_a_report_refuses_conditions_that_it_does_not_know(
    scm: Customer, condition: dict[str, object]
) -> None:
    assert refused(scm.post("/report/v1/ssl-certificates", condition), -1601)


def test_the_list_is_filtered_by_issuer(scm: Customer) -> None:
    scm.enroll()
    ssl_id = scm.issued()

    rows = scm.get("/ssl/v1", issuer="Example OV").json()

    assert [row["sslId"] for row in rows] == [ssl_id]
