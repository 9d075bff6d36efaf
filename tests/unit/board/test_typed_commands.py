"""Tests of commands to copy: what is pasted into a terminal is one command, whatever a name contains."""

import subprocess

import pytest

from certline.board.web.commands import quoted, typed

NAMES = [
    "www.nordhafen.example",
    "Nordhafen AG",
    "it's",
    "$(rm -rf ~)",
    "-x; reboot",
    "株式会社ノルトハーフェン",
    # Ends a bracketed paste, cancels the line, and begins another one.
    "a\x1b[201~\x03\nreboot\n",
    "tab\tcompletes, it's said",
    "back\\slash\rreturn\x7f",
    "\u202etxet\u202c",
    "c1\x9bcontrol",
    "a tag \U000e0041",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_takes_each_name_for_one_word_and_for_what_it_is(name: str) -> None:
    shown = subprocess.run(
        ["bash", "-c", f"printf %s {quoted(name)}"],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=True,
    )

    assert shown.stdout.decode() == name


def test_a_shell_without_such_quotes_runs_nothing_of_a_name() -> None:
    name = "a\t'; echo RUN #"

    shown = subprocess.run(
        ["dash", "-c", f"printf %s {quoted(name)}"], capture_output=True, check=True
    )

    assert b"RUN" in shown.stdout
    assert b"\n" not in shown.stdout  # echo would end its line


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_is_copied_steers_the_terminal_it_is_pasted_into(name: str) -> None:
    assert typed("domain", "show", name).isprintable()


def test_usual_names_are_quoted_as_people_do() -> None:
    assert typed("order", "show", 7) == "certline order show 7"
    assert typed("domain", "show", "a b") == "certline domain show 'a b'"
