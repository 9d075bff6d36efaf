"""Tests of what an account lacks at SCM, from the rights SCM reports."""

from datetime import date

import pytest

from certline.workers.account_check import (
    NEEDED,
    DomainsSeen,
    domains_not_looked_at,
    may_be_ordered_for,
    not_looked_at,
    of_domains,
    of_organizations,
    of_password,
    of_record,
    of_scope,
)
from certline.workers.scm import (
    AdminRecord,
    OrganizationDetails,
    Password,
    PasswordState,
    ScmDelegation,
    ScmDepartment,
    ScmDomain,
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


@pytest.mark.parametrize(
    ("roles", "confined"),
    [
        (("DRAO_SSL",), True),
        (("DRAO_SSL", "DRAO_SMIME"), True),
        (("DRAO_SSL", "RAO_SSL"), False),
        (("RAO_SSL",), False),
        (("MRAO",), False),
        ((), False),
    ],
)
def test_an_administrator_of_departments_is_told_what_it_is_confined_to(
    roles: tuple[str, ...], confined: bool
) -> None:
    seen = [ScmOrganization(1, "Nordhafen AG", (ScmDepartment(2, "Web"),))]

    found = list(of_scope(record(roles=roles), seen))

    assert len(found) == confined
    assert not confined or "departments only (Web (2))" in found[0]


def a_domain(**named: object) -> ScmDomain:
    """Return a domain that may be ordered for, changed by the given fields."""
    usual = {
        "id": 7,
        "name": "nordhafen.example",
        "state": "ACTIVE",
        "delegation_status": "ACTIVE",
        "validation_status": "VALIDATED",
        "validation_method": "EMAIL",
        "dcv_expiration": None,
        "delegations": (ScmDelegation(1, ("SSL",), ("DOMAIN",), "ACTIVE"),),
    }
    return ScmDomain(**usual | named)  # type: ignore[arg-type]  # as the test names it


@pytest.mark.parametrize(
    ("changes", "fit"),
    [
        ({}, True),
        ({"validation_status": "Validated"}, True),
        ({"validation_status": ""}, True),  # DCV is off for the customer
        ({"delegations": ()}, True),  # SCM doesn't show them
        ({"state": "SUSPENDED"}, False),
        ({"validation_status": "NOT_VALIDATED"}, False),
        ({"validation_status": "EXPIRED"}, False),
        ({"delegations": (ScmDelegation(1, ("SMIME",), (), "ACTIVE"),)}, False),
        ({"delegations": (ScmDelegation(1, ("SSL",), (), "REQUESTED"),)}, False),
    ],
)
def test_a_domain_is_fit_for_orders_unless_scm_shows_that_it_is_not(
    changes: dict[str, object], fit: bool
) -> None:
    assert may_be_ordered_for(a_domain(**changes)) is fit


def test_domains_that_are_not_fit_are_missing_if_all_were_read_and_unknown_otherwise() -> None:
    unfit, fit = a_domain(state="SUSPENDED"), a_domain()
    found = {
        "none": DomainsSeen(0, ()),
        "all unfit": DomainsSeen(1, (unfit,)),
        "some read": DomainsSeen(9, (unfit,)),
        "one fit": DomainsSeen(9, (unfit, fit)),
    }

    assert {name: len(list(of_domains(seen))) for name, seen in found.items()} == {
        "none": 1,
        "all unfit": 1,
        "some read": 0,
        "one fit": 0,
    }
    assert [name for name, seen in found.items() if list(domains_not_looked_at(seen))] == [
        "some read"
    ]
