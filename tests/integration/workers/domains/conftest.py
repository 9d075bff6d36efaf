"""Validations of a domain of the simulated SCM, whose CA really looks, with proofs on real name servers."""

from typing import Any

import pytest
import requests
from sqlalchemy import select

from certline.models import Command, CommandStatus, ProviderKind, Validation
from certline.models.audit.identity import Identity
from certline.models.commands.command import accept
from certline.models.commands.payloads import ValidateCommand, read_payload
from certline.models.states import CommandType
from certline.producers.domains.providers import add_provider, remove_provider
from certline.producers.domains.validations import request_validations
from certline.workers.scm import DcvMethod
from tests.integration.workers.conftest import Bench
from tests.servers.dns import DnsServer
from tests.servers.process import until

PERSON = Identity("os:test")
# A domain of the simulator's customer, which is validated by CNAME.
DOMAIN = "nordhafen.example"
# A zone that takes the proofs of other zones.
ALIAS = "alias.test"
SECONDS = 30


class Validations:
    """Validations on a bench, whose proofs go to real name servers."""

    def __init__(self, bench: Bench, dns: DnsServer) -> None:
        self.bench = bench
        self.dns = dns

    def add_provider(
        self,
        name: str = "zone",
        zones: tuple[str, ...] = (DOMAIN,),
        kind: ProviderKind = ProviderKind.RFC2136,
        command: str = "",
    ) -> None:
        """Add a provider of the zones, by default by dynamic update; `command`: that of a program."""
        by_itself = kind is ProviderKind.RFC2136
        servers = [f"{host}:{self.dns.port}" for host in (self.dns.host, self.dns.secondary)]
        resolvers = [f"{self.dns.resolver}:{self.dns.port}"]
        settings: dict[str, Any] = {"resolvers": resolvers, "nameservers": servers}
        key = self.dns.zone_of(zones[0]).key
        add_provider(
            self.bench.database,
            self.bench.line.vault,
            name,
            kind,
            zones,
            settings=settings
            | ({"server": servers[0]} if by_itself else {})
            | ({"command": command} if command else {}),
            credentials={"name": key, "secret": self.dns.secret_of(key)} if by_itself else {},
            who=PERSON,
        )

    def remove_provider(self, name: str = "zone") -> None:
        """Remove a provider."""
        remove_provider(self.bench.database, name, who=PERSON)

    def proof_name(self) -> str:
        """Return the name of the domain's record, which is always the same at this SCM."""
        proof = self.bench.line.scm(self.bench.account()).start_validation(DOMAIN, DcvMethod.CNAME)
        return proof.host

    def request(self, domain: str = DOMAIN, **fields: Any) -> Command:
        """Request a validation. Returns its command."""
        wanted = read_payload(ValidateCommand, {"domain": domain, **fields})
        (command,) = request_validations(self.bench.database, [wanted], requested_by=PERSON)
        return command

    def from_outside(self, domain: str = DOMAIN, **fields: Any) -> Command:
        """Accept a command of another system. Returns it."""
        with self.bench.database.transaction() as db:
            payload = {"domain": domain, **fields}
            command, _ = accept(
                db, CommandType.VALIDATE, payload, requested_by=PERSON, source="test"
            )
        return command

    def submit_in_the_portal(self) -> None:
        """Start and submit a validation of the domain, as an administrator may."""
        scm = self.bench.line.scm(self.bench.account())
        scm.start_validation(DOMAIN, DcvMethod.CNAME)
        scm.submit_validation(DOMAIN, DcvMethod.CNAME)

    def submissions(self) -> int:
        """Return how often SCM was told to have the CA look."""
        calls = requests.get(f"{self.bench.simulator.door}/calls", timeout=30).json()
        return sum(count for call, count in calls.items() if "/submit/domain/" in call)

    def run_to_the_end(self, command: Command) -> Command:
        """Run a command again and again, as if each wait were over. Returns it ended."""

        def ended() -> Command | None:
            self.bench.make_due()
            found = self.bench.run(command.id)
            return None if found.status is CommandStatus.QUEUED else found

        found = until(ended, SECONDS)
        assert found is not None
        return found

    def row(self, command: Command) -> Validation:
        """Return the validation of a command."""
        with self.bench.database.transaction() as db:
            return db.scalars(select(Validation).filter_by(command_id=command.id)).one()


@pytest.fixture
def validations(bench: Bench, dns_server: DnsServer) -> Validations:
    """Return a bench whose provider writes into the domain's zone, and a CA that looks there."""
    resolver = f"{dns_server.resolver}:{dns_server.port}"
    bench.settings(dcv_checks=True, dcv_resolver=resolver, dcv_after_ms=0, dcv_again_ms=50)
    found = Validations(bench, dns_server)
    found.add_provider()
    return found
