"""Tests of confirmations: asked on a terminal, required as an option without one."""

import io

import pytest

from certline.cli.confirmation import confirm
from certline.cli.errors import Fault


class Screen(io.StringIO):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def ask(*, yes: bool = False) -> None:
    confirm("shop.example, active", "Revoke it?", yes=yes, declined="nothing was revoked")


def test_without_a_terminal_the_option_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    with pytest.raises(Fault, match=r"nothing was revoked: .* --yes") as refused:
        ask()

    assert refused.value.code == 2
    assert refused.value.problems == ["shop.example, active. Revoke it?"]
    ask(yes=True)


@pytest.mark.parametrize("typed", ["n\n", "\n"])
def test_at_a_terminal_only_yes_goes_on(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Screen(typed))
    with pytest.raises(Fault, match="nothing was revoked") as declined:
        ask()
    assert declined.value.code == 4
    assert capsys.readouterr().err.startswith("shop.example, active\nRevoke it?")

    monkeypatch.setattr("sys.stdin", Screen("y\n"))
    ask()
