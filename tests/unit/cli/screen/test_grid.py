"""Tests of tables: their width in a terminal, and their colours."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from certline.cli.ui import grid
from certline.cli.ui.grid import (
    SHORTEST,
    Column,
    Fit,
    fit,
    print_grid,
    style_of,
    style_of_end,
)
from certline.cli.ui.layout import cut


def test_where_there_is_room_everything_is_shown_as_it_is() -> None:
    assert fit([26, 8, 40], [0, 1, 2], [False, False, True], 100) == Fit((0, 1, 2), (26, 8, 40))


def test_what_matters_least_is_left_out_first() -> None:
    assert fit([10, 10, 10], [0, 2, 1], [False] * 3, 25) == Fit((0, 2), (10, 10))
    assert fit([10, 10, 10], [0, 2, 1], [False] * 3, 12) == Fit((0,), (10,))


def test_a_name_is_cut_to_a_readable_length_before_a_column_is_left_out() -> None:
    assert fit([26, 80, 10], [0, 0, 1], [False, True, False], 80) == Fit((0, 1, 2), (26, 40, 10))
    assert fit([26, 80, 10], [0, 0, 1], [False, True, False], 75) == Fit((0, 1), (26, 47))


def test_then_the_longest_names_are_cut_and_never_the_ids() -> None:
    assert fit([26, 60], [0, 0], [False, True], 60) == Fit((0, 1), (26, 32))
    assert fit([26, 60], [0, 0], [False, True], 20) == Fit((0, 1), (26, SHORTEST))


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("shop.example", 12, "shop.example"), ("a-very-long-name.example", 11, "a-ver…ample")],
)
def test_a_name_is_cut_in_its_middle(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown
    assert len(cut(text, width)) <= width


@pytest.mark.parametrize(
    ("state", "style"),
    [
        ("stored", "green"),
        ("VALIDATED", "green"),
        ("pending", "yellow"),
        ("Not validated", "red"),
        ("NOT_VALIDATED", "red"),
        ("review", "red"),
        ("superseded", "dim"),
        ("a word of SCM's", ""),
        (None, ""),
    ],
)
def test_a_state_is_coloured_by_what_it_means(state: str | None, style: str) -> None:
    assert style_of(state) == style


@pytest.mark.parametrize(("days", "style"), [(-1, "red"), (6, "red"), (29, "yellow"), (31, "")])
def test_an_end_that_is_near_stands_out(days: int, style: str) -> None:
    now = datetime.now(UTC)

    assert style_of_end(now + timedelta(days=days)) == style
    assert style_of_end((now + timedelta(days=days + 1)).date()) in (style, "yellow", "")


def printed(monkeypatch: pytest.MonkeyPatch, *, width: int, is_terminal: bool) -> str:
    """Return a row of a table as printed."""
    out = io.StringIO()
    screen = Console(
        file=out, width=width, force_terminal=is_terminal, markup=False, highlight=False
    )
    monkeypatch.setattr(grid, "console", lambda: screen)
    columns = [
        Column[str]("id", lambda row: row),
        Column[str]("status", lambda _row: "held", style=style_of),
        Column[str]("name", lambda _row: "x" * 70 + ".example", may_be_cut=True),
        Column[str]("more", lambda _row: "[red]\nnext", rank=1),
    ]
    print_grid(columns, ["held"])
    return out.getvalue()


def test_a_terminal_gets_colours_and_no_line_that_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = printed(monkeypatch, width=60, is_terminal=True)

    assert "\x1b[33mheld" in text
    assert "…" in text
    assert "MORE" not in text
    assert len(text.splitlines()) == 2


def test_a_file_gets_whole_values_and_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, width=60, is_terminal=False)

    assert "\x1b" not in text
    assert "x" * 70 + ".example  [red] next" in text
    assert len(text.splitlines()) == 2
