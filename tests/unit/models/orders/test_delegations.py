"""Tests that a delegation's state and privileges decide which names an organisation may order."""

from typing import Any

import pytest

from certline.models import Domain
from certline.models.orders.domain_rules import judge_name
from tests.support.factories import a_domain, an_organization
from tests.unit.models.orders.checking import TODAY, problems_of

PLAIN = ["DOMAIN", "SUBDOMAIN"]


def delegated(
    privileges: list[str], status: str = "ACTIVE", name: str = "nordhafen.example", **more: Any
) -> Domain:
    """Return a domain with one delegation."""
    one = {"org_id": 9102, "cert_types": ["SSL"], "privileges": privileges, "status": status}
    return a_domain(name=name, delegations=[one], **more)


def judged(name: str, *domains: Domain) -> tuple[str | None, str | None]:
    return judge_name(name, an_organization(), domains, TODAY)


@pytest.mark.parametrize(
    ("name", "privileges", "what"),
    [
        ("*.shop.nordhafen.example", PLAIN, "wildcards of nordhafen.example are"),
        ("*.nordhafen.example", PLAIN, "wildcards of nordhafen.example are"),
        ("*.nordhafen.example", [*PLAIN, "WILDCARD_2ND_LEVEL"], "lacks WILDCARD_1ST_LEVEL"),
        ("*.a.nordhafen.example", [*PLAIN, "WILDCARD_1ST_LEVEL"], "lacks WILDCARD_2ND_LEVEL"),
        ("*.a.b.nordhafen.example", [*PLAIN, "WILDCARD_1ST_LEVEL"], "lacks WILDCARD_2ND_LEVEL"),
        ("a.nordhafen.example", ["DOMAIN"], "names below nordhafen.example are"),
        ("nordhafen.example", ["SUBDOMAIN"], "certificates for nordhafen.example itself are"),
        ("a.nordhafen.example", ["WILDCARD_1ST_LEVEL"], "lacks SUBDOMAIN"),
    ],
)
def test_a_name_whose_privilege_is_missing_is_refused(
    name: str, privileges: list[str], what: str
) -> None:
    problem, _ = judged(name, delegated(privileges))

    assert problem is not None
    assert what in problem
    assert "not allowed to Nordhafen AG" in problem
    assert "certline sync domains" in problem


@pytest.mark.parametrize(
    ("name", "privileges"),
    [
        ("nordhafen.example", ["DOMAIN"]),
        ("a.b.nordhafen.example", ["SUBDOMAIN"]),
        ("*.nordhafen.example", ["WILDCARD_1ST_LEVEL"]),
        ("*.a.nordhafen.example", ["WILDCARD_2ND_LEVEL"]),
        ("*.a.b.nordhafen.example", ["Wildcard 2nd level"]),  # as SCM's newer host writes words
        ("*.nordhafen.example", []),  # an old sync, or SCM doesn't show them
        ("*.nordhafen.example", [*PLAIN, "ANYTHING_NEW"]),
    ],
)
def test_a_name_whose_privilege_is_there_or_is_not_known_passes(
    name: str, privileges: list[str]
) -> None:
    assert judged(name, delegated(privileges)) == (None, None)


def test_delegations_synced_before_privileges_were_known_say_nothing_about_them() -> None:
    old = a_domain(delegations=[{"org_id": 9102, "cert_types": ["SSL"]}])

    assert judged("*.a.nordhafen.example", old) == (None, None)


def test_the_wildcard_entry_of_a_domain_allows_that_wildcard_and_none_below_it() -> None:
    both = delegated(PLAIN), delegated(PLAIN, name="*.nordhafen.example")

    assert judged("*.nordhafen.example", *both) == (None, None)
    problem, _ = judged("*.shop.nordhafen.example", *both)
    assert "wildcards of nordhafen.example are not allowed to Nordhafen AG" in (problem or "")


@pytest.mark.parametrize("status", ["REQUESTED", "Requested", "AWAITING_ME"])
def test_a_delegation_that_waits_for_its_approval_is_none_yet(status: str) -> None:
    [problem] = problems_of(domains=[delegated(PLAIN, status)])

    assert "the delegation of nordhafen.example to Nordhafen AG waits for its approval" in problem


@pytest.mark.parametrize("status", ["ACTIVE", "", "SOMETHING_NEW"])
def test_any_other_state_of_a_delegation_is_left_to_scm(status: str) -> None:
    assert judged("a.nordhafen.example", delegated(PLAIN, status)) == (None, None)


def test_a_domain_that_waits_for_approval_is_a_warning_where_scm_hides_its_delegations() -> None:
    hidden = a_domain(delegations=[], delegation_status="REQUESTED")

    problem, warning = judged("a.nordhafen.example", hidden)

    assert problem is None
    assert "waits for its approval at SCM" in (warning or "")


def test_what_a_delegation_that_waits_would_allow_is_not_allowed_yet() -> None:
    active = {"org_id": 9102, "privileges": ["DOMAIN"], "status": "ACTIVE"}
    waiting = {"org_id": 9102, "privileges": ["SUBDOMAIN"], "status": "REQUESTED"}

    problem, _ = judged("a.nordhafen.example", a_domain(delegations=[active, waiting]))

    assert "lacks SUBDOMAIN" in (problem or "")
