"""Tests of the layout of text: no word is broken, and no line is longer than it has to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certline.cli.ui.layout import cut, fitted, pairs_of, rows_of, width_of, wrapped

WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)
TABLES = st.integers(1, 5).flatmap(
    lambda columns: st.lists(
        st.lists(CELLS, min_size=columns, max_size=columns), min_size=1, max_size=5
    )
)


@given(CELLS, st.integers(1, 60))
def test_text_is_wrapped_between_words_only(text: str, width: int) -> None:
    lines = wrapped(text, width)

    assert " ".join(lines).split() == text.split()
    assert all(width_of(line) <= width or " " not in line for line in lines)


@given(TABLES, st.integers(20, 140))
def test_a_table_that_fits_has_no_line_that_is_too_long_and_no_word_is_lost(
    table: list[list[str]], room: int
) -> None:
    widths = fitted(table, room)
    if widths is None:
        return

    for row in table:
        lines = list(rows_of(row, widths))
        assert all(width_of(line) <= room for line in lines)
        words = [word for line in lines for word in line.split()]
        assert sorted(words) == sorted(word for cell in row for word in cell.split())


def test_a_table_whose_words_have_no_room_does_not_fit() -> None:
    assert fitted([["a" * 40, "b" * 40]], 80) is None
    assert fitted([["a" * 39, "b" * 39]], 80) == [39, 39]


def test_a_long_value_is_put_below_its_name_and_stays_whole() -> None:
    url = "https://" + "hafen." * 12 + "example"

    assert list(pairs_of([("url", url), ("id", "7")], 60)) == ["url", f"  {url}", "id   7"]
    assert list(pairs_of([("url", url)], None)) == [f"url  {url}"]


def test_a_fingerprint_has_room_in_80_columns() -> None:
    lines = list(pairs_of([("serial number", "1"), ("SHA-256", "a" * 64)], 80))

    assert lines[1] == f"SHA-256        {'a' * 64}"
    assert len(lines[1]) <= 80


@pytest.mark.parametrize("text", ["京都府京都市.example", "ключ", "naïve", "a" * 50])
@pytest.mark.parametrize("width", [6, 11, 30])
def test_a_cut_name_takes_at_most_its_cells(text: str, width: int) -> None:
    assert width_of(cut(text, width)) <= width


def test_wide_characters_take_two_cells() -> None:
    assert width_of("京都") == 4
    assert width_of("e\u0301") == 1
