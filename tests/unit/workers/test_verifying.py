"""Tests of what an account lacks at SCM, from the rights SCM reports."""

from datetime import date

import pytest

from certline.workers.account_check import (
    NEEDED,
    not_looked_at,
    of_organizations,
    of_password,
    of_record,
)
from certline.workers.scm import (
    AdminRecord,
    OrganizationDetails,
    Password,
    PasswordState,
    ScmOrganization,
)

TODAY = date(2026, 3, 2)
SEEN = [ScmOrganization(1, "Nordhafen AG")]


@pytest.mark.parametrize(
    ("password", "told"),
    [
        (Password(PasswordState.EXPIRED), "has expired"),
        (Password(PasswordState.ALIVE, date(2026, 4, 1)), "expires on 2026-04-01"),
        (Password(PasswordState.ALIVE, date(2026, 2, 1)), "expires on 2026-02-01"),
        (Password(PasswordState.ALIVE, date(2026, 4, 2)), None),
        (Password(PasswordState.ALIVE), None),
        (Password(PasswordState.NEVER_EXPIRE, TODAY), None),
        (Password(PasswordState.UNKNOWN), None),
        (None, None),
    ],
)
def test_a_password_that_has_ended_or_ends_within_30_days_is_told(
    password: Password | None, told: str | None
) -> None:
    found = list(of_password(password, TODAY))

    assert len(found) == (told is not None)
    assert told is None or told in found[0]


def record(**named: object) -> AdminRecord:
    """Return an administrator that lacks nothing, changed by the given fields."""
    usual = {
        "type": "API",
        "roles": ("MRAO",),
        "privileges": (*NEEDED, "autoApproveCertificates"),
    }
    return AdminRecord(1, "svc", **usual | named)  # type: ignore[arg-type]  # as the test names it


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (record(type="IDP"), "type is IDP"),
        (record(roles=("RAO_SMIME", "DRAO_CS")), "role is RAO_SMIME, DRAO_CS"),
        (record(privileges=NEEDED), "each order will wait for manual approval"),
        (record(privileges=("autoApproveCertificates", *NEEDED[1:])), "privilege sslRequest"),
    ],
)
def test_an_administrators_fault_is_told(found: AdminRecord, told: str) -> None:
    (sentence,) = of_record(found)

    assert told in sentence


@pytest.mark.parametrize(
    "found",
    [
        record(),
        record(roles=("DRAO_SMIME", "DRAO_SSL")),
        record(privileges=(*NEEDED, "allowSslAutoApprove")),
        AdminRecord(1, "svc"),
        None,
    ],
)
def test_what_a_record_leaves_out_is_not_called_a_fault(found: AdminRecord | None) -> None:
    assert list(of_record(found)) == []


def test_an_account_that_sees_no_organization_can_order_nothing() -> None:
    (sentence,) = of_organizations([], [])

    assert "sees no organisation" in sentence


def test_switches_that_are_off_are_told_in_one_sentence() -> None:
    details = [
        OrganizationDetails(1, "Nordhafen AG", cert_types=("SSL",), ssl_api_enabled=True),
        *(OrganizationDetails(n, f"Part {n}", ssl_api_enabled=False) for n in range(2, 9)),
        OrganizationDetails(9, "Press", cert_types=("SMIME",)),
        OrganizationDetails(10, "Library"),
    ]

    off, without = of_organizations(SEEN, details)

    assert "Part 2 (2), Part 3 (3), Part 4 (4), Part 5 (5), Part 6 (6) and 2 more" in off
    assert "not enabled for Press (9)" in without


@pytest.mark.parametrize(("count", "told"), [(20, 0), (21, 1)])
def test_organizations_that_were_not_looked_at_are_told(count: int, told: int) -> None:
    assert len(list(not_looked_at(count))) == told
