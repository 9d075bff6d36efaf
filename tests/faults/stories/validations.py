"""Stories of domains that are validated by a record on a real name server, where the CA really looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from sqlalchemy import select

from certline.models import Command, CommandStatus, CommandType, ProviderKind, Validation
from certline.models.audit.identity import Identity
from certline.models.states import ValidationOutcome, ValidationStage
from certline.producers.domains.cancellation import cancel_validations
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
# The record is there, and nobody has stored that it is.
WRITTEN = "workers.domains.proof_stages:publish call publish after"


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


def a_validation_is_cancelled(stage: Stage, points: Sequence[str]) -> None:
    """Cancel what a killed worker may have written; the worker that takes it away dies, too."""
    with _zone(stage) as dns:
        for point in points:
            command = stage.accept(CommandType.VALIDATE, {"domain": DOMAIN})
            kill_workers(stage, [WRITTEN], [command])
            record = str(row_of(stage, command).proof_name)
            assert dns.read(record, "CNAME"), point
            cancel_validations(stage.plant.database, [DOMAIN], who=WHO)
            kill_workers(stage, [point], [command])
            until(partial(_is_over, stage, command), SECONDS, every=0.05)
            assert dns.read(record, "CNAME") == [], point


def a_cancellation_is_typed(stage: Stage, points: Sequence[str]) -> None:
    """Kill `domain cancel-validation`: the validation is cancelled completely, or not at all."""
    for point in points:
        command = stage.accept(CommandType.VALIDATE, {"domain": DOMAIN})
        type_twice(stage, point, "domain", "cancel-validation", DOMAIN)
        assert row_of(stage, command).outcome is ValidationOutcome.FAILED, point
        assert _status(stage, command) is CommandStatus.FAILED, point


def _is_over(stage: Stage, command: Command) -> bool:
    stage.age()
    stage.run(command)
    return _status(stage, command) is CommandStatus.FAILED


def _status(stage: Stage, command: Command) -> CommandStatus:
    with stage.plant.database.transaction() as db:
        return db.get_one(Command, command.id).status


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
