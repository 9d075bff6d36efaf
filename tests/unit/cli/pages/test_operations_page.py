"""Tests of docs/operations.md: each alert has a section that says what is seen, what it means and what to type."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[4] / "docs" / "operations.md").read_text()
# Alerts link here by their names in lower case.
ALERTS = """
    NoGoodAutoRenewal CertificateUnattended OrderStuckSending OrderInReview LicenseFullSoon LicenseFull
    DomainValidationTooShort AccountSuspended BreakerOpen DeadLetters OutboxNotDraining QueueOld PartDown PartStale
    HookFailing WebhookFailing NoticeFailing AuditBroken ScmErrors FiguresOld RenewalsRefused
"""


def section(heading: str) -> str:
    """Return the text of a section; empty if there is none."""
    found = re.search(rf"^### {heading}$(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return "" if found is None else found[1]


@pytest.mark.parametrize("alert", ALERTS.split())
def test_every_alert_has_a_section(alert: str) -> None:
    text = section(f"Certline{alert}")

    assert "**You see**" in text
    assert "**It means**" in text
    assert "certline top" in text or "**You type**" in text


def test_every_section_is_in_the_list_at_the_top() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    top = PAGE[: PAGE.index("\n## ")]

    missing = {name for name in headings if f"(#{name.lower()})" not in top}

    assert missing == {"CertlineFiguresOld"}  # it says that the others are blind
