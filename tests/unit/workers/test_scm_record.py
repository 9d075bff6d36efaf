"""Tests of SCM's record as an order: each status, and the peculiarities of old records."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from certline.models import OrderStatus
from certline.workers.importing.record_mapping import (
    UnusableRecordError,
    auto_renews,
    columns,
    status_of,
    why_over,
)
from certline.workers.scm import Details, ScmStatus

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_record(**named: Any) -> Details:
    usual: dict[str, Any] = {
        "ssl_id": 18440127,
        "status": "Issued",
        "common_name": "Shop.Nordhafen.example",
        "sans": ("shop.nordhafen.example", "www.shop.nordhafen.example"),
        "org_id": 9102,
        "profile_id": 21790,
        "profile_name": "OV Multi-Domain SSL",
        "term": 199,
        "expires": date(2026, 9, 1),
    }
    record = usual | named
    return Details(state=ScmStatus.read(record["status"]), **record)


def row(**named: Any) -> dict[str, Any]:
    return columns(a_record(**named), 1, {9102: "IT Services"}, NOW)


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        ("Init", OrderStatus.PENDING),
        ("SA Approved", OrderStatus.PENDING),
        ("Simmering", OrderStatus.PENDING),
        ("Issued", OrderStatus.ISSUED),
        ("Replaced", OrderStatus.CANCELLED),
        ("Revoked", OrderStatus.CANCELLED),
        ("Expired", OrderStatus.CANCELLED),
        ("Unmanaged", OrderStatus.CANCELLED),
        ("Declined", OrderStatus.REJECTED),
        ("Rejected", OrderStatus.REJECTED),
        ("Invalid", OrderStatus.REJECTED),
    ],
)
def test_each_status_becomes_one_of_ours(status: str, becomes: OrderStatus) -> None:
    assert status_of(a_record(status=status), TODAY) is becomes


@pytest.mark.parametrize(
    ("expires", "becomes"),
    [
        (date(2026, 3, 1), OrderStatus.CANCELLED),
        (TODAY, OrderStatus.ISSUED),
        (None, OrderStatus.ISSUED),
    ],
)
def test_issued_counts_until_the_last_day_is_over(
    expires: date | None, becomes: OrderStatus
) -> None:
    assert status_of(a_record(expires=expires), TODAY) is becomes


def test_why_it_is_over_is_said_with_the_day() -> None:
    revoked = a_record(status="Revoked", revoked=date(2026, 2, 3))

    assert why_over(revoked) == "SCM's status is Revoked (2026-02-03)"
    assert why_over(a_record(status="Invalid")) == "SCM's status is Invalid"


def test_names_are_in_lower_case_and_each_once() -> None:
    found = row()

    assert found["common_name"] == "shop.nordhafen.example"
    assert found["sans"] == ["www.shop.nordhafen.example"]


def test_a_record_without_a_common_name_goes_by_its_first_name() -> None:
    assert row(common_name="")["common_name"] == "shop.nordhafen.example"


def test_a_record_without_any_name_is_no_order() -> None:
    with pytest.raises(UnusableRecordError, match="no common name"):
        row(common_name="", sans=())


def test_a_number_that_no_column_holds_is_no_order() -> None:
    with pytest.raises(UnusableRecordError, match="larger"):
        row(ssl_id=2**31)


def test_what_scm_does_not_say_of_discovered_certificates_is_none() -> None:
    found = row(org_id=None, profile_id=None, profile_name="", term=None, key_type="")

    assert (found["organization_name"], found["profile_name"]) == ("(none)", "(none)")
    assert (found["term"], found["key_algorithm"], found["key_size"]) == (None, None, None)


def test_an_organization_that_is_not_synced_is_called_by_its_number() -> None:
    assert row(org_id=77)["organization_name"] == "organisation 77"


@pytest.mark.parametrize("term", [0, 36_501, 2**40])
def test_a_term_that_cannot_be_is_none(term: int) -> None:
    assert row(term=term)["term"] is None


def test_a_comment_is_cut_where_no_order_could_hold_it() -> None:
    assert row(comments="x" * 2000)["comments"] == "x" * 1024


def test_requester_day_and_addresses_are_those_of_scm() -> None:
    found = row(
        requester="admin@nordhafen.example",
        requested=date(2025, 12, 24),
        external_requester="a@x.example, b@x.example;",
        custom_fields=(("CostCentre", "4711"), ("", "x")),
        key_type="EC - P-256",
    )

    assert found["requested_by"] == "admin@nordhafen.example"
    assert found["created_at"] == datetime(2025, 12, 24, tzinfo=UTC)
    assert found["external_requesters"] == ["a@x.example", "b@x.example"]
    assert found["custom_fields"] == {"CostCentre": "4711"}
    assert (found["key_algorithm"], found["key_size"]) == ("EC", "P-256")


@pytest.mark.parametrize(
    ("state", "renews"),
    [("Scheduled", True), (" STARTED ", True), ("Not scheduled", False), ("", False)],
)
def test_scm_renews_by_itself_what_is_scheduled_or_started(state: str, *, renews: bool) -> None:
    assert auto_renews(a_record(auto_renew_state=state)) is renews
