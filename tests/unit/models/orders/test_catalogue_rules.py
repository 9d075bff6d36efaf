"""Tests that an order is compared with the catalogue as people mean its names, its key and its profile."""

import unicodedata

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certline.models.orders.checks import check_order, forbidden_key
from certline.models.orders.custom_fields import read_pair
from certline.models.validation import BadCommandError
from tests.support.factories import (
    a_custom_field,
    a_domain,
    a_profile,
    a_wanted,
    an_offer,
    an_organization,
)
from tests.unit.models.orders.checking import TODAY, checked, problems_of
from tests.unit.simulator.customer import SHOP, csr

COLOGNE = "Universitätsklinikum Köln"


def a_csr(kind: ec.EllipticCurve | int) -> str:
    """Return a CSR with a key on that curve, or an RSA key of so many bits."""
    if isinstance(kind, int):
        return csr(SHOP, rsa.generate_private_key(65537, kind))
    return csr(SHOP, ec.generate_private_key(kind))


@pytest.mark.parametrize(
    ("at_scm", "typed"),
    [
        ("Nordhafen University ", "Nordhafen University"),
        ("Nordhafen University", "Nordhafen\N{NO-BREAK SPACE}University"),
        (unicodedata.normalize("NFD", COLOGNE), COLOGNE),
        (COLOGNE, unicodedata.normalize("NFD", COLOGNE)),
    ],
)
def test_an_organisation_and_a_profile_are_found_however_they_are_spelled(
    at_scm: str, typed: str
) -> None:
    offer = an_offer(
        organizations=[an_organization(name=at_scm)], profiles=[a_profile(name=at_scm)]
    )

    order = check_order(a_wanted(organization=typed, profile=typed), offer, TODAY)

    assert (order.organization.name, order.profile.name) == (at_scm, at_scm)


@pytest.mark.parametrize("typed", ["Cost Centre", "Cost Centre ", "cost  centre"])
def test_a_custom_field_is_sent_under_the_name_that_scm_has_for_it(typed: str) -> None:
    field = a_custom_field(name="Cost Centre ")

    order = checked({"custom_fields": {typed: "4711"}}, custom_fields=[field])

    assert order.wanted.custom_fields == {"Cost Centre ": "4711"}


def test_a_custom_field_that_is_given_in_two_spellings_is_refused() -> None:
    twice = {"Cost Centre": "1", "cost centre": "2"}

    [problem] = problems_of({"custom_fields": twice}, custom_fields=[a_custom_field()])

    assert problem == "custom_fields: 'cost centre' is given twice"


@pytest.mark.parametrize(
    ("text", "known", "pair"),
    [
        ("Cost Centre=4711", [], ("Cost Centre", "4711")),
        ("Cost Centre =4711", ["Cost Centre "], ("Cost Centre ", "4711")),
        ("A=B=4711", ["A=B", "A"], ("A=B", "4711")),
        ("a=b=4711", ["A=B"], ("a=b", "4711")),
        ("A=B=4711", ["A"], ("A", "B=4711")),
        ("A=4711=B", ["A=B"], ("A", "4711=B")),
        ("A=", ["A"], ("A", "")),
        ("A=B=", ["A=B"], ("A=B", "")),
    ],
)
def test_the_longest_known_name_before_an_equals_sign_is_the_field(
    text: str, known: list[str], pair: tuple[str, str]
) -> None:
    assert read_pair(text, known) == pair


@pytest.mark.parametrize("text", ["", "A", "=1", "  =1"])
def test_a_text_without_a_name_or_an_equals_sign_is_no_custom_field(text: str) -> None:
    with pytest.raises(ValueError, match="is not NAME=VALUE"):
        read_pair(text, ["A"])


def test_a_profile_that_scm_does_not_offer_to_the_organisation_is_refused_with_those_it_does() -> (
    None
):
    profiles = [a_profile(closed_to=[9102, 9103]), a_profile(scm_id=52, name="OV Multi ")]

    assert problems_of(profiles=profiles) == [
        "profile: SCM does not offer 'OV Single' to Nordhafen AG; it offers: 'OV Multi'"
    ]


def test_a_profile_is_open_to_an_organisation_of_which_nothing_is_known() -> None:
    assert checked(profiles=[a_profile(closed_to=[9103])]).warnings == []


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (ec.SECP521R1(), "csr: 'OV Single' does not allow EC P-521; allowed: RSA"),
        (2056, "csr: 'OV Single' does not allow RSA 2056"),
    ],
    ids=["P-521", "RSA 2056"],
)
def test_the_key_of_a_csr_is_compared_with_the_profile(
    key: ec.EllipticCurve | int, why: str
) -> None:
    with pytest.raises(BadCommandError, match="csr") as refusal:
        check_order(a_wanted(csr=a_csr(key)), an_offer(), TODAY)

    [problem] = refusal.value.problems
    assert problem.startswith(why)


def test_what_no_ca_signs_is_refused_where_the_profile_names_no_keys() -> None:
    offer = an_offer(profiles=[a_profile(key_types={})])

    check_order(a_wanted(csr=a_csr(ec.SECP521R1())), offer, TODAY)
    assert "multiple of 8" in str(forbidden_key("RSA", "2049"))
    assert "at least 2048 bits" in str(forbidden_key("RSA", "1024"))
    assert "no CA signs" in str(forbidden_key("EC", "secp256k1"))


def test_a_key_that_is_left_open_is_filled_in_from_the_profile() -> None:
    only_ec = a_profile(key_types={"EC": ["P-384"]})

    order = checked(profiles=[only_ec])

    assert (order.wanted.key_algorithm, order.wanted.key_size) == ("EC", "P-384")


@pytest.mark.parametrize("label", ["ab--cd", "xn--zzzzzzzz99999999"])
def test_a_label_that_no_ca_certifies_is_refused_unless_one_has(label: str) -> None:
    name = f"{label}.nordhafen.example"
    [problem] = problems_of({"sans": [name]})

    assert problem.startswith(f"{name}: '{label}' ")
    renewed = check_order(
        a_wanted(common_name=name), an_offer(domains=[a_domain()]), TODAY, inherited={name}
    )
    assert renewed.warnings == [problem]


def test_what_was_found_before_is_reported_with_the_rest() -> None:
    with pytest.raises(BadCommandError) as refusal:
        check_order(a_wanted(term=1), an_offer(), TODAY, problems=["csr: is odd"])

    assert [problem.split(":")[0] for problem in refusal.value.problems] == ["csr", "term"]
