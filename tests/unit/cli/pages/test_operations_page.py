"""Tests of docs/operations.md: each alert has a section that says what is seen, what it means and what to type."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "operations.md").read_text()
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
HEADINGS = {
    f"docs/operations.md#{heading.lower()}": heading
    for heading in re.findall(r"^### (Certline\w+)$", PAGE, re.MULTILINE)
}


def section(heading: str) -> str:
    """Return the text of a section; empty if there is none."""
    found = re.search(rf"^### {heading}$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return "" if found is None else found[1]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_names_a_section(rule: dict[str, Any]) -> None:
    text = section(HEADINGS[rule["annotations"]["runbook"]])

    assert "**You see**" in text
    assert "**It means**" in text
    assert "certline top" in text or "**You type**" in text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_is_found_on_the_page_by_its_name(rule: dict[str, Any]) -> None:
    """Who was woken by an alert looks for its name, and may not have its `runbook` at hand."""
    heading = HEADINGS[rule["annotations"]["runbook"]]

    assert rule["alert"] == heading or f"`{rule['alert']}`" in section(heading)


def test_every_section_is_that_of_the_alert_whose_name_it_has() -> None:
    own = {rule["alert"]: rule["annotations"]["runbook"] for rule in RULES}

    assert {heading: own[heading] for heading in HEADINGS.values()} == {
        heading: place for place, heading in HEADINGS.items()
    }


def test_every_section_is_in_the_list_at_the_top() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    top = PAGE[: PAGE.index("\n## ")]

    missing = {name for name in headings if f"(#{name.lower()})" not in top}

    assert missing == {"CertlineFiguresOld"}  # it says that the others are blind
