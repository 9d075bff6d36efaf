"""Tests of host names in other alphabets, and of labels that no CA may certify."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.host_names import ascii_form, label_problem, same_host


@pytest.mark.parametrize(
    ("written", "ascii_"),
    [
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.Example", "xn--mnchen-3ya.example"),
        ("mu\N{COMBINING DIAERESIS}nchen.example", "xn--mnchen-3ya.example"),
        ("*.münchen.example", "*.xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),  # IDNA 2003 made `strasse` of it
        ("Shop.Nordhafen.example", "shop.nordhafen.example"),
        ("XN--MNCHEN-3YA.example", "xn--mnchen-3ya.example"),
    ],
)
def test_a_name_of_another_alphabet_gets_its_ascii_form(written: str, ascii_: str) -> None:
    assert ascii_form(written) == ascii_
    assert same_host(written) == ascii_


@pytest.mark.parametrize(
    "name",
    [
        "\N{KELVIN SIGN}iosk.example",  # its NFC is the letter K
        "\N{FULLWIDTH LATIN SMALL LETTER A}.example",
        "ü b.example",
        "xn--ü.example",
        "\N{MONEY BAG}.example",
        f"{'ü' * 70}.example",
    ],
)
def test_a_name_without_an_ascii_form_is_not_converted(name: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        ascii_form(name)
    assert same_host(name) == name.lower()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ab--cd.nordhafen.example", "'ab--cd' has hyphens as its third and fourth character"),
        ("*.ab--cd.example", "'ab--cd' has hyphens"),
        ("xn--zzzzzzzz99999999.nordhafen.example", "'xn--zzzzzzzz99999999' is not the xn-- form"),
        ("xn--.example", "'xn--' is not the xn-- form"),
        ("xn--99999999999999999.example", "is not the xn-- form"),
    ],
)
def test_a_label_that_no_ca_certifies_is_named(name: str, why: str) -> None:
    assert why in (label_problem(name) or "")


@pytest.mark.parametrize(
    "name",
    [
        "shop.example",
        "a-b.example",
        "a--b.example",
        "xn--mnchen-3ya.example",
        "*.xn--fiqs8s.example",
    ],
)
def test_any_other_label_is_fine(name: str) -> None:
    assert label_problem(name) is None


@given(st.text(min_size=1))
def test_what_is_converted_is_a_label_that_a_ca_certifies(text: str) -> None:
    try:
        found = ascii_form(f"a{text}ü")
    except ValueError:
        return

    assert found.isascii()
    if "." not in found:
        assert label_problem(found) is None
