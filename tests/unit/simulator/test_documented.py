"""Tests that the documentation names every setting with its default, and every login."""

import json
import re
from pathlib import Path

import pytest

from certline.simulator.settings import SimSettings
from certline.simulator.state.accounts import ACCOUNTS

PAGE = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")


def switches() -> dict[str, str]:
    """Return the documented default of each setting."""
    found: dict[str, str] = {}
    for row in re.findall(r"^\| (`.+?) \| (.+?) \|", PAGE, re.MULTILINE):
        names = re.findall(r"`(\w+)`", row[0])
        defaults = row[1].split(", ") if len(names) > 1 else [row[1]]
        found.update(zip(names, defaults, strict=False))
    return found


@pytest.mark.parametrize(("name", "value"), SimSettings().as_json().items())
def test_every_switch_is_documented_with_its_default(name: str, value: object) -> None:
    wanted = (value or "none") if isinstance(value, str) else json.dumps(value)

    assert switches().get(name, "").strip("`") == wanted


def test_every_login_is_documented() -> None:
    assert all(f"| `{login}` |" in PAGE for login in ACCOUNTS)
