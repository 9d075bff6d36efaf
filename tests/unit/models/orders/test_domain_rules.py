"""Tests that an order's names lie in domains that it may use."""

from datetime import date, timedelta
from typing import Any

import pytest

from certline.models.orders.domain_rules import judge_name
from tests.support.factories import NOON, a_domain, an_organization
from tests.unit.models.orders.checking import TODAY, checked, problems_of


@pytest.mark.parametrize(
    "name", ["elsewhere.example", "notnordhafen.example", "*.example.com", "nordhafen.example.com"]
)
def test_a_name_in_no_domain_is_refused(name: str) -> None:
    problem, _ = judge_name(name, an_organization(), [a_domain()], TODAY)

    assert problem is not None
    assert problem.startswith(f"{name} is not in any domain")


@pytest.mark.parametrize(
    "name", ["nordhafen.example", "a.b.nordhafen.example", "*.nordhafen.example"]
)
def test_a_name_below_a_good_domain_is_fine(name: str) -> None:
    judged = judge_name(name, an_organization(), [a_domain()], TODAY)

    assert judged == (None, None)


@pytest.mark.parametrize(
    ("name", "clear"),
    [
        ("*.nordhafen.example", True),
        ("nordhafen.example", False),
        ("a.b.nordhafen.example", False),
    ],
)
def test_whether_a_wildcard_entry_covers_more_than_itself_is_left_to_scm(
    name: str, clear: bool
) -> None:
    entry = a_domain(name="*.nordhafen.example")

    problem, warning = judge_name(name, an_organization(), [entry], TODAY)

    assert problem is None
    assert (warning is None) is clear
    assert warning is None or "SCM has *.nordhafen.example and not nordhafen.example" in warning


def test_a_domain_in_another_alphabet_covers_the_names_below_it() -> None:
    domain = a_domain(name="mu\N{COMBINING DIAERESIS}nchen.example")

    judged = judge_name("shop.xn--mnchen-3ya.example", an_organization(), [domain], TODAY)

    assert judged == (None, None)


def test_a_wildcard_is_not_covered_by_a_domain_below_it() -> None:
    below = a_domain(name="shop.nordhafen.example")

    problem, _ = judge_name("*.nordhafen.example", an_organization(), [below], TODAY)

    assert problem is not None


def test_a_domain_that_is_gone_covers_nothing() -> None:
    problem, _ = judge_name(
        "shop.nordhafen.example", an_organization(), [a_domain(gone_at=NOON)], TODAY
    )

    assert problem is not None
    assert "is not in any domain" in problem


def test_a_suspended_domain_is_refused() -> None:
    assert problems_of(domains=[a_domain(state="SUSPENDED")]) == [
        "the domain nordhafen.example of shop.nordhafen.example is suspended at SCM"
    ]


@pytest.mark.parametrize(
    "delegations",
    [[{"org_id": 1, "cert_types": ["SSL"]}], [{"org_id": 9102, "cert_types": ["SMIME"]}]],
)
def test_a_domain_that_is_not_delegated_for_ssl_is_refused(delegations: list[object]) -> None:
    assert problems_of(domains=[a_domain(delegations=delegations)]) == [
        "the domain nordhafen.example is not delegated to Nordhafen AG for SSL"
    ]


def test_whether_a_department_may_use_the_domains_of_its_organisation_is_left_to_scm() -> None:
    department = an_organization(
        scm_id=9200, name="Web", parent_id=9102, parent_name="Nordhafen AG"
    )
    own = a_domain(delegations=[{"org_id": 9200}, {"org_id": 9102}])

    order = {"organization": "Web"}
    assert checked(order, organizations=[department], domains=[own]).warnings == []
    assert checked(order, organizations=[department]).warnings == [
        (
            "the domain nordhafen.example is delegated to Nordhafen AG and not to its department Web: "
            "SCM may refuse names in it"
        )
    ]


@pytest.mark.parametrize("delegations", [[], [{"org_id": 9102, "cert_types": []}]])
def test_where_scm_does_not_show_its_delegations_it_decides_itself(delegations: list[Any]) -> None:
    assert checked(domains=[a_domain(delegations=delegations)]).warnings == []


@pytest.mark.parametrize("status", ["NOT_VALIDATED", "Not validated"])
def test_a_domain_that_was_never_validated_is_refused(status: str) -> None:
    [problem] = problems_of(domains=[a_domain(validation_status=status)])

    assert "is not validated at SCM (DCV)" in problem


@pytest.mark.parametrize("status", ["VALIDATED", "EXPIRED"])
def test_an_expired_validation_is_a_warning_with_its_date(status: str) -> None:
    yesterday = TODAY - timedelta(days=1)
    over = a_domain(validation_status=status, validation_expires=yesterday)

    both = {"common_name": "shop.nordhafen.example", "sans": ["mail.nordhafen.example"]}
    assert checked(both, domains=[over]).warnings == [
        "the validation of nordhafen.example expired on 2026-03-01: SCM may refuse names in it"
    ]


def test_a_validation_that_a_step_of_the_ballot_has_ended_is_a_warning_that_says_so() -> None:
    day = date(2026, 4, 1)
    old = a_domain(validated_on=day - timedelta(days=300), validation_expires=date(2026, 7, 8))

    _, warning = judge_name("shop.nordhafen.example", an_organization(), [old], day)

    assert warning == (
        "the validation of nordhafen.example expired on 2026-03-14 (then too old by ballot SC-081v3; SCM shows "
        "2026-07-08): SCM may refuse names in it"
    )


def test_on_its_last_day_a_validation_still_counts() -> None:
    assert checked(domains=[a_domain(validation_expires=TODAY)]).warnings == []


def test_the_domain_above_speaks_where_the_closer_one_is_not_delegated() -> None:
    closer = a_domain(
        name="shop.nordhafen.example", delegations=[{"org_id": 1, "cert_types": ["SSL"]}]
    )

    assert checked(domains=[closer, a_domain()]).warnings == []


def test_one_name_asked_for_twice_is_judged_once() -> None:
    name = "shop.elsewhere.example"

    assert len(problems_of({"common_name": name, "sans": [name, name.upper()]})) == 1
