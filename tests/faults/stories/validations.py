"""Stories of domains that are validated by a record on a real name server, where the CA really looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import select

from certline.models import Command, CommandType, ProviderKind, Validation
from certline.models.audit.identity import Identity
from certline.models.states import ValidationOutcome, ValidationStage
from certline.producers.domains.providers import add_provider, remove_provider
from tests.faults.crashes.runner import kill_workers
from tests.faults.harness.scenario import Stage
from tests.faults.stories.requests import type_twice
from tests.servers import until
from tests.servers.dns import DnsServer
from tests.servers.name_servers import NameServers

WHO = Identity("os:test")
DOMAIN, PROVIDER = "nordhafen.example", "zone"
SECONDS = 60


def a_validation(stage: Stage, points: Sequence[str]) -> None:
    """Validate a domain again and again; each time a worker dies at another point."""
    with _zone(stage) as dns:
        for point in points:
            command = stage.accept(CommandType.VALIDATE, {"domain": DOMAIN})
            kill_workers(stage, [point], [command])
            until(partial(stage.is_done, command), SECONDS, every=0.05)
            row = row_of(stage, command)
            assert (row.stage, row.outcome) == (
                ValidationStage.ENDED,
                ValidationOutcome.VALIDATED,
            ), point
            assert dns.read(str(row.proof_name), "CNAME") == [], point
        assert submissions(stage) == len(points)


def a_validation_is_requested(stage: Stage, points: Sequence[str]) -> None:
    """Kill `domain validate`; typed again, the domain is validated once."""
    for point in points:
        type_twice(stage, point, "domain", "validate", DOMAIN, "--within", "1")


@contextmanager
def _zone(stage: Stage) -> Iterator[DnsServer]:
    """Yield name servers at which the CA looks, and to which a provider writes."""
    servers = NameServers()
    servers.start()
    try:
        dns = DnsServer(servers)
        resolver = f"{dns.resolver}:{dns.port}"
        switches = {"dcv_checks": True, "dcv_resolver": resolver}
        stage.simulate("POST", "settings", switches | {"dcv_after_ms": 0, "dcv_again_ms": 50})
        hosts = [f"{host}:{dns.port}" for host in (dns.host, dns.secondary)]
        add_provider(
            stage.plant.database,
            stage.plant.vault,
            PROVIDER,
            ProviderKind.RFC2136,
            [DOMAIN],
            settings={"server": hosts[0], "resolvers": [resolver], "nameservers": hosts},
            credentials={"name": dns.tsig_name, "secret": dns.tsig_secret},
            who=WHO,
        )
        yield dns
        remove_provider(stage.plant.database, PROVIDER, who=WHO)
        stage.simulate("POST", "settings", {"dcv_checks": False})
    finally:
        servers.close()


def row_of(stage: Stage, command: Command) -> Validation:
    """Return the validation of a command."""
    with stage.plant.database.transaction() as db:
        return db.scalars(select(Validation).filter_by(command_id=command.id)).one()


def submissions(stage: Stage) -> int:
    """Return how often SCM was told to have the CA look."""
    calls = stage.simulate("GET", "calls")
    return sum(count for call, count in calls.items() if "/submit/domain/" in call)
