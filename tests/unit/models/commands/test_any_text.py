"""Tests that no text or number in a command raises anything but its refusal."""

from typing import Any

import pytest

from certline.models.commands.kinds import KINDS, PUBLIC
from certline.models.commands.payloads import OrderCommand, read_payload
from certline.models.states import CommandType
from certline.models.validation import BadCommandError, column_integer

USUAL = {
    "common_name": "www.nordhafen.example",
    "organization": "Nordhafen AG",
    "profile": "OV Single",
    "term": 365,
}
NASTY: tuple[Any, ...] = (
    *("a\0b", "a\ud800", "a\x1b[2J", "\x7f", "a\x85b", "", "   ", "x" * 65_536, "9" * 5_000),
    *("\U0001f512", "\u202ea", "scm:2907713345", "scm:\u0663", "'; drop table", "%s", "nan"),
    *(10**30, 10**5_000, -1, 0, 2**31, 2**63, 0.5, float("nan"), float("inf"), True, None),
    *([], {}, ["a\0b"], [["a"]], {"a\0": "b"}, {"a": "b\ud800"}, {"a": {"b": 1}}, [10**5_000]),
)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_value_in_each_field_is_taken_or_refused(name: str) -> None:
    payload = KINDS[CommandType(name)].payload
    usual = USUAL if payload is OrderCommand else {}
    for field in payload.model_fields:
        for value in NASTY:
            try:
                read = read_payload(payload, {**usual, field: value})
            except BadCommandError:
                continue
            text = read.model_dump_json()
            assert "\\u0000" not in text
            assert "\\u001b" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\0b", "the character NUL"),
        ("a\x1b[2J", "the control character U+001B"),
        ("a\udcff", "not UTF-8"),
    ],
)
def test_an_unfit_character_is_named(text: str, said: str) -> None:
    with pytest.raises(BadCommandError, match=said.replace("+", r"\+")):
        read_payload(OrderCommand, {**USUAL, "comments": text})


def test_lines_and_tabs_are_text() -> None:
    comments = "one\n\ttwo\r\nthree: Größe \U0001f512"

    assert read_payload(OrderCommand, {**USUAL, "comments": comments}).comments == comments


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0" * 5_000 + "7", 7),
        ("2147483647", 2_147_483_647),
        ("2147483648", None),
        ("9" * 5_000, None),
        ("\u0663", None),
        ("-1", None),
        ("", None),
    ],
)
def test_a_number_is_one_that_a_column_holds(text: str, number: int | None) -> None:
    assert column_integer(text) == number
