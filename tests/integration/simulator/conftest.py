"""Fixtures: a customer of a simulator whose CA looks for proofs at the tests' own servers."""

from collections.abc import Iterator

import pytest

from certline.simulator.server import Simulator, running
from tests.integration.simulator.validating import Validating
from tests.servers.dns import DnsServer


@pytest.fixture(scope="module")
def looking_simulator() -> Iterator[Simulator]:
    """Yield a simulator whose CA looks every twentieth of a second."""
    with running(dcv_checks=True, dcv_after_ms=0, dcv_again_ms=50, issue_after_ms=0) as started:
        yield started


@pytest.fixture
def scm(looking_simulator: Simulator) -> Validating:
    """Return a customer of an SCM that was reset."""
    customer = Validating(looking_simulator)
    assert customer.door("POST", "/reset").status_code == 204
    return customer


@pytest.fixture
def at_resolver(scm: Validating, dns_server: DnsServer) -> DnsServer:
    """Let the CA ask the resolver of the tests' name servers, which these are."""
    scm.set(dcv_resolver=f"{dns_server.resolver}:{dns_server.port}")
    return dns_server


@pytest.fixture
def at_primary(scm: Validating, dns_server: DnsServer) -> DnsServer:
    """Let the CA ask the primary itself, so that only the CA remembers what was absent."""
    scm.set(dcv_resolver=f"{dns_server.host}:{dns_server.port}")
    return dns_server
