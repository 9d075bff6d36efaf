"""Tests of how long a validation holds, by the ballot and by the simulated SCM's clock."""

from datetime import UTC, datetime, timedelta

import pytest

from certline.simulator.settings import SimSettings
from certline.simulator.state.validity import end_of
from tests.unit.simulator.customer import Customer, csr, order, refused

EXACT = SimSettings(dcv_margin_days=0)
V1 = "/dcv/v1/validation"
NAME = {"domain": "nordhafen.example"}


def at(text: str) -> datetime:
    """Return midnight of a day."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("validated", "end"),
    [
        ("2025-01-01", "2026-02-03"),  # 398 days
        ("2025-06-01", "2026-03-15"),  # older than 200 days when that limit begins
        ("2025-10-01", "2026-04-19"),  # not yet, but the new limit counts
        ("2026-04-01", "2026-10-18"),  # 200 days
        ("2026-11-28", "2027-03-15"),  # older than 100 days by then
        ("2027-01-01", "2027-04-11"),
        ("2027-06-01", "2027-09-09"),  # 100 days
        ("2029-03-01", "2029-03-15"),
        ("2029-03-10", "2029-03-20"),
        ("2029-06-01", "2029-06-11"),  # ten days
    ],
)
def test_a_validation_ends_when_the_ballot_says(validated: str, end: str) -> None:
    assert end_of(at(validated), EXACT) == at(end)


def test_scm_stays_two_days_below_the_limit_and_a_switch_replaces_it() -> None:
    assert end_of(at("2026-04-01"), SimSettings()) - at("2026-04-01") == timedelta(days=198)
    assert end_of(at("2026-04-01"), SimSettings(dcv_days=30)) == at("2026-05-01")


def test_the_clock_of_scm_can_be_moved_and_ends_validations(scm: Customer) -> None:
    before = scm.post(f"{V1}/status", NAME).json()
    assert before["status"] == "VALIDATED"

    scm.set(clock_ahead_s=3 * 366 * 86_400, dcv_after_ms=0)

    assert scm.post(f"{V1}/status", NAME).json()["status"] == "EXPIRED"
    assert refused(scm.post("/ssl/v1/enroll", order()), -107)
    scm.post(f"{V1}/start/domain/cname", NAME)
    scm.post(f"{V1}/submit/domain/cname", NAME)
    after = scm.post(f"{V1}/status", NAME).json()
    moved = datetime.now(UTC) + timedelta(seconds=3 * 366 * 86_400)
    assert after["status"] == "VALIDATED"
    assert abs(datetime.fromisoformat(after["validationDate"]).date() - moved.date()).days <= 1
    assert scm.details(scm.issued())["issued"].endswith(str(moved.year))


@pytest.mark.parametrize("code", [-107, -737, -1137])
def test_an_order_without_a_validation_is_refused_with_the_chosen_code(
    scm: Customer, code: int
) -> None:
    scm.set(unvalidated_code=code)

    answer = scm.post("/ssl/v1/enroll", order(csr=csr("www.unproven.example")))

    assert refused(answer, code)
    assert "unproven.example" in answer.json()["description"]


def test_a_clock_beyond_all_dates_is_held_back(scm: Customer) -> None:
    scm.set(clock_ahead_s=10**15)

    assert scm.post(f"{V1}/status", NAME).status_code == 200


def test_an_address_that_is_none_is_refused(scm: Customer) -> None:
    for name in ("dcv_resolver", "dcv_http"):
        answer = scm.door("POST", "/settings", {name: "nowhere"})
        assert (answer.status_code, "HOST:PORT" in answer.text) == (400, True)
