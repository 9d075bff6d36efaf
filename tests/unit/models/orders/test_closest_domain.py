"""Tests that of several matching domains or names the intended one is named in the error."""

import pytest

from certline.models.orders.checks import check_order
from certline.models.orders.domain_rules import judge_name
from tests.support.factories import NOON, a_domain, a_wanted, an_offer, an_organization

TODAY = NOON.date()
NAME = "shop.nordhafen.example"


@pytest.mark.parametrize("plain_first", [True, False])
def test_the_plain_form_of_a_domain_speaks_before_its_wildcard(plain_first: bool) -> None:
    both = [a_domain(state="SUSPENDED"), a_domain(name="*.nordhafen.example", state="SUSPENDED")]

    problem, _ = judge_name(NAME, an_organization(), both if plain_first else both[::-1], TODAY)

    assert problem == f"the domain nordhafen.example of {NAME} is suspended at SCM"


def test_a_delegation_to_nobody_is_no_delegation_to_an_organisation_without_a_parent() -> None:
    nobodys = a_domain(delegations=[{"org_id": None, "cert_types": ["SSL"]}])

    problem, _ = judge_name(NAME, an_organization(parent_id=None), [nobodys], TODAY)

    assert problem == "the domain nordhafen.example is not delegated to Nordhafen AG for SSL"


def test_an_id_means_the_organisation_with_that_id_and_not_one_of_that_name() -> None:
    named_so = an_organization(scm_id=77, name="9102")
    offer = an_offer(organizations=[named_so, an_organization()])

    checked = check_order(a_wanted(organization="9102"), offer, TODAY)

    assert checked.organization.scm_id == 9102
