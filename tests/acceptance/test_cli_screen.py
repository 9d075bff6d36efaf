"""Acceptance tests of what a real terminal of 80, 100 or 120 columns shows."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from certline.models import Database
from tests.acceptance.terminal import Terminal
from tests.support.factories import a_certificate, an_order

pytestmark = pytest.mark.slow

NAMES = [f"host-{number}.department.nordhafen.example" for number in range(4)]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_lists_and_help_fit_the_terminal(database_url: str, width: int) -> None:
    now = datetime.now(UTC)
    database = Database(database_url, pool_size=1)
    with database.transaction() as db:
        for number, name in enumerate(NAMES):
            order = an_order(db, common_name=name, status="stored")
            end = now + timedelta(days=5 + number, hours=5)
            a_certificate(db, order, not_before=now - timedelta(days=60), not_after=end)
    database.close()
    terminal = Terminal(database_url)

    listed = terminal.on_screen(width, "certificate", "list")
    page = terminal.on_screen(width, "order", "create", "--help")

    assert [line for line in listed + page if len(line) > width] == []
    assert "in 5 days" in listed[1]
    assert listed[-1] == "4 in total"
    shown = re.findall(r"host-\S+", " ".join(listed))
    assert len(shown) == 4
    assert all(name in NAMES or "…" in name for name in shown)
    assert "--keystore-password-file" in " ".join(page)
