"""Tests of validating an order against SCM's offer, before it is sent."""

import pytest

from certline.models.orders.checks import check_order, usual_key
from tests.support.factories import (
    NOON,
    a_custom_field,
    a_profile,
    a_wanted,
    an_offer,
    an_organization,
)
from tests.support.signing_requests import in_pem, request
from tests.unit.models.orders.checking import TODAY, checked, problems_of


def test_an_order_that_keeps_every_rule_passes_without_a_word() -> None:
    order = checked()

    assert (order.organization.scm_id, order.profile.scm_id) == (9102, 51)
    assert order.warnings == []


def test_without_a_sync_the_person_is_sent_to_it() -> None:
    assert "certline sync" in problems_of(organizations=[], profiles=[])[0]


def test_an_unknown_profile_is_answered_with_the_closest_names() -> None:
    profiles = [a_profile(), a_profile(scm_id=52, name="EV Multi"), a_profile(scm_id=53, name="zz")]

    [problem] = problems_of({"profile": "ov singel"}, profiles=profiles)

    assert problem.startswith("profile: 'ov singel' is not known; did you mean 'OV Single'")
    assert "zz" not in problem


def test_a_name_that_resembles_nothing_is_answered_with_what_there_is() -> None:
    [problem] = problems_of({"organization": "qqqq"})

    assert problem == "organization: 'qqqq' is not known; there are: 'Nordhafen AG'"


@pytest.mark.parametrize("text", ["9102", "Nordhafen AG", "NORDHAFEN ag"])
def test_an_organisation_is_found_by_number_name_and_any_case(text: str) -> None:
    assert checked({"organization": text}).organization.scm_id == 9102


def test_several_organisations_of_one_name_are_told_apart_by_their_ids() -> None:
    twins = [an_organization(), an_organization(scm_id=9103)]

    assert problems_of(organizations=twins) == [
        "organization: 'Nordhafen AG' is ambiguous; use one of the ids 9102, 9103"
    ]
    assert checked({"organization": "9102"}, organizations=twins).organization is twins[0]


def test_an_exact_name_wins_over_one_in_another_case() -> None:
    both = [an_organization(), an_organization(scm_id=9103, name="NORDHAFEN AG")]

    assert checked(organizations=both).organization.scm_id == 9102


@pytest.mark.parametrize("text", ["Nordhafen AG", "9102"])
def test_what_is_gone_at_scm_is_called_gone(text: str) -> None:
    gone = [an_organization(gone_at=NOON), an_organization(scm_id=9103, name="Sudhafen AG")]

    assert problems_of({"organization": text}, organizations=gone) == [
        f"organization: {text!r} is gone at SCM"
    ]


def test_a_term_that_is_not_allowed_is_answered_with_those_that_are() -> None:
    assert problems_of({"term": 366}) == [
        "term: 366 days is not allowed by 'OV Single'; allowed: 90, 365"
    ]


def test_a_profile_that_names_no_terms_leaves_them_to_scm() -> None:
    assert checked({"term": 17}, profiles=[a_profile(terms=[], key_types={})]).warnings == []


@pytest.mark.parametrize(
    ("algorithm", "size", "says"),
    [
        (
            "RSA",
            "3072",
            "key_size: 'OV Single' does not allow RSA 3072; allowed: RSA 2048, 4096; EC",
        ),
        ("EC", "P-384", "key_size: 'OV Single' does not allow EC P-384"),
    ],
)
def test_a_key_size_outside_the_profile_is_refused(algorithm: str, size: str, says: str) -> None:
    [problem] = problems_of({"key_algorithm": algorithm, "key_size": size})

    assert problem.startswith(says)


def test_a_key_type_outside_the_profile_is_refused() -> None:
    only_rsa = [a_profile(key_types={"RSA": ["2048"]})]

    [problem] = problems_of({"key_algorithm": "EC", "key_size": "P-256"}, profiles=only_rsa)

    assert problem == "key_algorithm: 'OV Single' does not allow EC; allowed: RSA 2048"


@pytest.mark.parametrize(
    ("key_types", "algorithm", "size", "taken"),
    [
        ({"RSA": ["2048", "4096"], "EC": ["P-256"]}, None, None, ("RSA", "2048")),
        ({}, None, None, ("RSA", "2048")),
        ({"EC": ["P-256", "P-384"]}, None, None, ("EC", "P-256")),
        ({"RSA": ["4096", "3072"]}, None, None, ("RSA", "3072")),
        ({"RSA": ["2048"], "EC": ["P-384"]}, "EC", None, ("EC", "P-384")),
        ({"RSA": ["2048"], "EC": []}, None, "P-384", ("EC", "P-384")),
        # Impossible choices are left to validation.
        ({"RSA": ["2048"]}, "EC", None, ("EC", "P-256")),
        ({"RSA": ["2048"]}, "RSA", "P-256", ("RSA", "P-256")),
    ],
)
def test_a_key_that_is_left_open_is_the_first_usual_one_that_the_profile_allows(
    key_types: dict[str, list[str]],
    algorithm: str | None,
    size: str | None,
    taken: tuple[str, str],
) -> None:
    assert usual_key(a_profile(key_types=key_types), algorithm, size) == taken


@pytest.mark.parametrize(("algorithm", "size"), [("RSA", "P-256"), ("EC", "2048")])
def test_a_size_of_the_other_key_type_is_refused(algorithm: str, size: str) -> None:
    anything = [a_profile(key_types={})]

    [problem] = problems_of({"key_algorithm": algorithm, "key_size": size}, profiles=anything)

    assert problem.startswith(f"key_size: {size} is not a size of {algorithm}")


def test_a_key_that_the_requester_keeps_is_not_judged_by_the_options() -> None:
    only_ec = [a_profile(key_types={"EC": ["P-256"]})]

    assert checked({"csr": in_pem(request())}, profiles=only_ec).warnings == []


def test_a_common_name_longer_than_scm_takes_is_refused() -> None:
    name = f"{'a' * 50}.nordhafen.example"

    assert problems_of({"common_name": name}) == [
        f"common_name: has {len(name)} characters, at most 64 are allowed"
    ]


def test_requesters_that_scm_has_no_room_for_are_refused() -> None:
    many = [f"person-{number}@nordhafen.example" for number in range(20)]

    assert "512" in problems_of({"external_requesters": many})[0]


@pytest.mark.parametrize("given", [{}, {"Cost centre": ""}])
def test_a_mandatory_custom_field_must_be_filled(given: dict[str, str]) -> None:
    [problem] = problems_of({"custom_fields": given}, custom_fields=[a_custom_field()])

    assert (
        problem == "custom_fields: 'Cost centre' is mandatory (--custom-field 'Cost centre=VALUE')"
    )


def test_a_custom_field_that_scm_does_not_have_is_refused_with_those_it_has() -> None:
    [problem] = problems_of(
        {"custom_fields": {"Cost centre": "7", "Colour": "blue"}},
        custom_fields=[a_custom_field()],
    )

    assert problem == "custom_fields: SCM has no field 'Colour'; it has: Cost centre"


def test_every_problem_is_reported_at_once() -> None:
    found = problems_of(
        {"term": 1, "key_size": "3072", "sans": ["www.elsewhere.example"]},
        custom_fields=[a_custom_field()],
    )

    assert [problem.split(" ")[0] for problem in found] == [
        "term:",
        "key_size:",
        "custom_fields:",
        "www.elsewhere.example",
    ]


@pytest.mark.parametrize(
    ("switches", "warned"),
    [
        ({"api_enabled": False}, True),
        ({"api_enabled": True, "cert_types": ["SMIME"]}, True),
        ({"api_enabled": True, "cert_types": ["SSL"]}, False),
        ({}, False),
    ],
)
def test_an_organization_whose_api_was_off_when_last_seen_is_a_warning(
    switches: dict[str, object], warned: bool
) -> None:
    offer = an_offer(organizations=[an_organization(**switches)])

    checked = check_order(a_wanted(), offer, TODAY)

    assert any("over its API" in warning for warning in checked.warnings) is warned
