"""Tests of `certline doctor` on settings alone, and of its lines on a terminal."""

import io

import pytest
from rich.console import Console

from certline.cli.checks.result import Finding
from certline.cli.checks.servers import check_settings
from certline.cli.operations import doctor
from certline.models.settings import Settings


@pytest.mark.parametrize(("settle", "short"), [(900, False), (250, False), (249, True), (0, True)])
def test_an_unknown_outcome_must_rest_longer_than_the_longest_order(
    settle: int, short: bool
) -> None:
    finding = check_settings(Settings(settle_seconds=settle))

    assert ("too short for production" in finding.text) is short
    assert ("may be sent twice" in (finding.advice or "")) is short


@pytest.mark.parametrize(("is_terminal", "lines"), [(True, 6), (False, 3)])
def test_long_lines_are_wrapped_at_blanks_on_a_terminal_only(
    is_terminal: bool,
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Console(file=io.StringIO(), width=80, force_terminal=is_terminal)
    monkeypatch.setattr(doctor, "console", lambda: screen)
    text = "up on a host (pid 28986), version 0.1.0, key f8d3f3e6827b, all queues, since Monday"

    doctor._show([Finding("parts", True, text, text, details=(text,))])

    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == lines
    assert (max(map(len, shown)) <= 80) is is_terminal
    assert " ".join(" ".join(shown).split()).count(text) == 3
