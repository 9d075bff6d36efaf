"""Tests that bash takes a completed name into the line as it was quoted."""

import subprocess

import pytest

from certline.cli.main import main

# In place of the program: what it answers to bash.
PROGRAM = r"env() { printf '%s\n' 'plain,Nordhafen\ University' 'plain,Library'; }"
ASK = r"""
COMP_WORDS=(certline order "")
COMP_CWORD=2
_certline_completion certline
printf '%s\n' "${COMPREPLY[@]}"
"""


def test_a_name_with_a_blank_stays_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "bash"])
    script = capsys.readouterr().out

    asked = subprocess.run(
        ["bash", "-c", f"{script}\n{PROGRAM}\n{ASK}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert asked.stdout.splitlines() == ["Nordhafen\\ University", "Library"]
