"""How names of the tests' zones are looked up, and the provider that writes them."""

import pytest

from certline.workers.dns import Provider, Resolution, open_provider
from tests.servers.dns import DnsServer

ZONE = "example.test"


@pytest.fixture
def how(dns_server: DnsServer) -> Resolution:
    """Return how names are looked up: from the root, by the tests' resolver, at their port."""
    resolver = f"{dns_server.resolver}:{dns_server.port}"
    return Resolution(resolvers=(resolver,), port=dns_server.port, within=12)


def updater(dns_server: DnsServer, zone: str = ZONE, **key: str) -> Provider:
    """Return the provider that changes a zone at its primary; `key`: other fields of the TSIG key."""
    own = dns_server.zone_of(zone)
    fields = {"name": own.key, "secret": dns_server.secret_of(own.key)} | key
    server = f"{own.at[0]}:{dns_server.port}"
    return open_provider("rfc2136", {"server": server, "zones": [zone]}, fields)
