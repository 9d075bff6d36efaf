"""Helpers: responses and signature checks of receivers, and statuses of the deliveries to them."""

import re
from pathlib import Path
from typing import Any

from certline.models import CommandStatus
from certline.workers.webhooks.signature import new_secret
from tests.integration.webhooks.conftest import Post
from tests.unit.scm.odd_server import Seen, http

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
TAKEN = http("204 No Content")
AWAY = http("503 Service Unavailable")


def is_signed(seen: Seen, secret: str) -> bool:
    """Check that the page's own code accepts the signature, and no altered request."""
    block = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    page: dict[str, Any] = {}
    exec(block[1], page)  # noqa: S102  # our own page
    believes = page["is_from_certline"]
    assert not believes(seen.headers, seen.body + b" ", secret)
    assert not believes(seen.headers, seen.body, new_secret())
    assert not believes(seen.headers | {"webhook-timestamp": "1614265330"}, seen.body, secret)
    return bool(believes(seen.headers, seen.body, secret))


def states(line: Post) -> list[CommandStatus]:
    """Return the statuses of the deliveries."""
    return [delivery.status for delivery in line.deliveries()]
