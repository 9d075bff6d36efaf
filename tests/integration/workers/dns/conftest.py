"""A zone on a real name server, and how it is looked up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certline.workers.dns import Resolution
from tests.integration.workers.dns.name_servers import Knot, free_port, zone_text

ZONE = "shop.example"


@pytest.fixture
def port() -> int:
    """Return the port of the name servers of a test."""
    return free_port()


@pytest.fixture
def knot(tmp_path: Path, port: int) -> Iterator[Knot]:
    """Run the zone's primary."""
    records = 'taken CNAME elsewhere.example.\ntext TXT "v=spf1 -all"\nwww A 192.0.2.7'
    with Knot(tmp_path / "knot", {ZONE: zone_text(ZONE, records)}, port=port) as server:
        yield server


@pytest.fixture
def how(knot: Knot) -> Resolution:
    """Return how names of the zone are looked up: by its own server in place of a resolver."""
    return Resolution(resolvers=(knot.place,), port=knot.port, within=8)
