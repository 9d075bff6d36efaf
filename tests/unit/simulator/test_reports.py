"""Tests of the report over certificates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.simulator.customer import SHOP, Customer, csr, refused

REPORT = "/report/v1/ssl-certificates?output_type=buffered"


def reported(scm: Customer, **body: Any) -> list[int]:
    return [row["id"] for row in scm.post(REPORT, body).json()["reports"]]


def test_a_report_tells_the_comments_that_the_list_keeps_to_itself(scm: Customer) -> None:
    ssl_id = scm.issued(comments="[ref:1]", subjAltNames=f"www.{SHOP}")

    answer = scm.post(REPORT, {"certificateStatus": 0})

    (row,) = answer.json()["reports"]
    assert answer.json()["statusCode"] == 0
    assert "rest_api_ssl-certificates.json" in answer.headers["Content-Disposition"]
    assert (row["id"], row["comments"], row["status"]) == (ssl_id, "[ref:1]", "Issued")
    assert row["subjAltNames"] == f"{SHOP}; www.{SHOP}"
    assert row["organizationName"] == "IT Services"
    assert row["requested"].endswith("Z")
    assert row["serialNumber"] == scm.details(ssl_id)["serialNumber"].replace(":", "")


def test_a_report_finds_the_orders_of_a_day(scm: Customer) -> None:
    ssl_id = scm.enroll()
    today = datetime.now(UTC).date()
    around = {
        "from": (today - timedelta(days=1)).isoformat(),
        "to": (today + timedelta(days=1)).isoformat(),
        "certificateDateAttribute": 4,
    }
    before = {"from": "2020-01-01", "to": "2020-02-01", "certificateDateAttribute": 4}

    assert reported(scm, **around) == [ssl_id]
    assert reported(scm, **before) == []
    backwards = {"from": around["to"], "to": around["from"]}
    assert refused(scm.post(REPORT, backwards), -1601)


@pytest.mark.parametrize(
    "condition",
    [
        {"certificateStatus": 2},
        {"certificateStatus": "2"},
        {"commonName": "MAIL"},
        {"organizationIds": [9101]},
        {"externalRequester": "post@"},
    ],
)
def test_a_report_keeps_to_its_conditions(scm: Customer, condition: dict[str, Any]) -> None:
    scm.enroll()
    mail = scm.issued(
        csr=csr("mail.nordhafen.example"), orgId=9101, externalRequester="post@nordhafen.example"
    )

    assert reported(scm, **condition) == [mail]
    assert reported(scm, **condition, certificateRequestSource=10) == []


def test_a_report_without_a_body_is_refused(scm: Customer) -> None:
    assert refused(scm.call("POST", REPORT), -1002)
