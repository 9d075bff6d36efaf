"""Tests that names which look alike are the same name."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.models.names import called, folded, similar, spelled

NFD = unicodedata.normalize("NFD", "Universitätsklinikum Köln")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nordhafen University", "Nordhafen University "),
        ("Nordhafen University", "  Nordhafen\tUniversity"),
        ("Nordhafen University", "Nordhafen\N{NO-BREAK SPACE}University"),
        ("Nordhafen University", "Nordhafen  University"),
        ("Nordhafen University", "NORDHAFEN university"),
        ("Nordhafen University", "Nordhafen\N{ZERO WIDTH SPACE} University\N{SOFT HYPHEN}"),
        ("Universitätsklinikum Köln", NFD),
        ("STRASSE", "Straße"),
    ],
)
def test_names_that_look_alike_are_one_name(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert called(other, [one], str) == [one]


@pytest.mark.parametrize(
    ("one", "other"), [("Library", "Librarz"), ("Koln", "Köln"), ("a b", "ab")]
)
def test_other_names_stay_other_names(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert called(other, [one], str) == []


def test_the_spelling_as_written_counts_before_one_that_only_looks_alike() -> None:
    names = ["Library", "Library ", "LIBRARY"]

    assert called("Library ", names, str) == ["Library "]
    assert called("LIBRARY", names, str) == ["LIBRARY"]
    assert called(" Library", names, str) == ["Library", "Library "]
    assert called("library", names, str) == names


def test_a_suggestion_is_written_without_its_odd_blanks() -> None:
    assert similar("nordhafen universty", ["Nordhafen University ", "zz"], 0.7) == [
        "Nordhafen University"
    ]


@given(st.text())
def test_a_form_of_a_name_has_itself_as_its_form(text: str) -> None:
    assert spelled(spelled(text)) == spelled(text)
    assert folded(folded(text)) == folded(text)
