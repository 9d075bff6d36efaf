"""Tests of the fleet that exists when the simulator starts."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from certline.simulator.app import build
from certline.simulator.server import running
from certline.simulator.settings import SimSettings
from certline.simulator.state import records as status
from certline.simulator.state.scm import Scm
from tests.unit.simulator.customer import Customer

SIZE = 1000


@pytest.fixture(scope="module")
def fleet() -> Iterator[Customer]:
    """Yield a customer with a thousand orders."""
    with running(seed_orders=SIZE) as simulator:
        yield Customer(simulator)


@pytest.fixture(scope="module")
def rows(fleet: Customer) -> list[dict[str, Any]]:
    """Return the report over all of them."""
    answer = fleet.post("/report/v1/ssl-certificates", {"serialNumberFormat": ""})
    found: list[dict[str, Any]] = answer.json()["reports"]
    assert len(found) == SIZE
    return found


def seeded(count: int, seed: int) -> Scm:
    return build(SimSettings(), count, seed=seed)[1]


def told(scm: Scm) -> list[tuple[Any, ...]]:
    return [
        (r.ssl_id, r.renew_id, r.common_name, r.status, r.issue.serial if r.issue else None)
        for r in scm.records.values()
    ]


def test_there_are_orders_in_every_status(rows: list[dict[str, Any]]) -> None:
    counts = Counter(row["status"] for row in rows)

    assert set(counts) == status.STATUSES - {"Unmanaged"}
    assert counts["Issued"] == SIZE * 31 // 50


def test_every_organization_has_some(fleet: Customer, rows: list[dict[str, Any]]) -> None:
    organizations = fleet.get("/organization/v1").json()
    parts = [part for each in organizations for part in each.get("departments", [])]

    assert {row["orgId"] for row in rows} == {each["id"] for each in [*organizations, *parts]}
    assert len({row["typeId"] for row in rows}) == 5


def test_one_organization_has_its_switch_for_the_api_off(fleet: Customer) -> None:
    ids = [each["id"] for each in fleet.get("/organization/v1").json()]

    off = [i for i in ids if not fleet.get(f"/organization/v1/{i}").json()["sslCertsApiEnabled"]]

    assert off == [9501]


def test_there_are_domains_in_every_state(fleet: Customer) -> None:
    every = [
        fleet.get(f"/domain/v1/{row['id']}").json()
        for row in fleet.get("/domain/v1", size=200).json()
    ]

    assert {each["state"] for each in every} == {"ACTIVE", "SUSPENDED"}
    assert {each["delegationStatus"] for each in every} == {"ACTIVE", "REQUESTED"}
    assert {each["validationStatus"] for each in every} == {
        *("VALIDATED", "EXPIRED", "NOT_VALIDATED")
    }


def test_many_end_in_the_same_week(rows: list[dict[str, Any]]) -> None:
    now = datetime.now(UTC)
    ends = [datetime.fromisoformat(r["expires"]) for r in rows if r["status"] == "Issued"]
    weeks = Counter((end - now) // timedelta(days=7) for end in ends)

    # Days 38 to 44 fall into two weeks counted from today.
    cliff = weeks[5] + weeks[6]
    assert cliff > 3 * (weeks[8] + weeks[9])
    assert len([week for week in weeks if weeks[week]]) > 20
    assert min(ends) > now


def test_an_order_without_a_certificate_has_no_serial(rows: list[dict[str, Any]]) -> None:
    without = {row["status"] for row in rows if "serialNumber" not in row}

    assert without == status.WITHOUT_CERTIFICATE
    assert any(len(row.get("serialNumber", "")) == 31 for row in rows)


def test_serials_keep_their_zeros_where_the_report_is_asked_to(fleet: Customer) -> None:
    body = {"serialNumberFormat": "HEXWithLeadingZeros", "certificateStatus": 2}
    reports = fleet.post("/report/v1/ssl-certificates", body).json()["reports"]

    assert {len(row["serialNumber"]) for row in reports} == {32}


def test_some_are_imported_renewed_or_left_to_scm(
    fleet: Customer, rows: list[dict[str, Any]]
) -> None:
    ways = Counter(row["requestedVia"] for row in rows)
    scheduled = fleet.get("/ssl/v1", renewalStatus="SCHEDULED").headers["X-Total-Count"]
    twice = [name for name, n in Counter(row["commonName"] for row in rows).items() if n > 1]

    assert set(ways) == {"Imported", "ACME", "REST API", "Enrollment Form"}
    assert int(scheduled) > 10
    assert len(twice) > 10
    assert all("requested" not in row for row in rows if row["requestedVia"] == "ACME")


def test_its_certificates_are_real(fleet: Customer) -> None:
    for row in fleet.get("/ssl/v1", size=20, status="Issued").json():
        leaf = fleet.leaf(row["sslId"])
        details = fleet.details(row["sslId"])
        assert f"{leaf.serial_number:032X}" == details["serialNumber"].replace(":", "")
        assert details["expires"] == f"{leaf.not_valid_after_utc:%m/%d/%Y}"


def test_the_same_seed_makes_the_same_fleet() -> None:
    first = told(seeded(200, 1))

    assert told(seeded(200, 1)) == first
    assert told(seeded(200, 2)) != first


def test_ten_thousand_are_there_within_seconds() -> None:
    begun = time.monotonic()

    scm = seeded(10_000, 1)

    assert len(scm.records) == 10_000
    assert time.monotonic() - begun < 20


def test_a_report_over_a_fleet_lets_other_calls_in_between() -> None:
    with running(seed_orders=3000) as simulator:
        fleet = Customer(simulator)
        report = threading.Thread(target=fleet.post, args=("/report/v1/ssl-certificates", {}))
        report.start()
        deadline = time.monotonic() + 10
        while not fleet.door("GET", "/calls").json():
            assert time.monotonic() < deadline
        meanwhile = 0
        while report.is_alive():
            assert fleet.get("/organization/v1").status_code == 200
            meanwhile += 1
        report.join()

    assert meanwhile > 3
