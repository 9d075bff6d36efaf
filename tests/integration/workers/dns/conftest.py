"""How names of the tests' zones are looked up, and the provider that writes them."""

from collections.abc import Iterator

import pytest

from certline.workers.dns import Provider, Resolution, open_provider
from tests.servers.dns import DnsServer
from tests.servers.name_zones import KEY
from tests.servers.updated_primary import UpdatedPrimary, bind_primary, knot_primary

ZONE = "example.test"


@pytest.fixture(scope="session")
def bind() -> Iterator[UpdatedPrimary]:
    """Yield a primary of BIND."""
    with bind_primary() as primary:
        yield primary


@pytest.fixture(params=["knot", "bind"])
def primary(
    request: pytest.FixtureRequest, dns_server: DnsServer, bind: UpdatedPrimary
) -> Iterator[UpdatedPrimary]:
    """Yield a primary that takes dynamic updates, of each of the two programs, with fresh zones."""
    found = knot_primary(dns_server) if request.param == "knot" else bind
    found.clear()
    yield found
    found.clear()


def updater_at(primary: UpdatedPrimary, *zones: str, **key: str) -> Provider:
    """Return the provider that changes zones at a primary; `key`: other fields of the TSIG key."""
    fields = {"name": KEY, "secret": primary.secrets[KEY]} | key
    settings = {"server": primary.server, "zones": list(zones or (ZONE,))}
    return open_provider("rfc2136", settings, fields)


def seen_at(primary: UpdatedPrimary) -> Resolution:
    """Return how a record is looked for at a primary alone."""
    return Resolution(nameservers=(primary.server,), within=12)


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
