"""A site: hosts with clocks of their own, and the servers that they share, each on a network of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from certline.simulator.server import Simulator, running
from tests.faults.harness.processes import Place
from tests.faults.hosts.namespaces import Host, open_hosts
from tests.faults.hosts.shifted_clock import shifted_by
from tests.servers import PostgresServer, RabbitServer
from tests.servers.discovery import MissingServerError, Server, advise, program, this_machine
from tests.servers.local_rabbit import LocalRabbit
from tests.servers.postgres import LocalPostgres
from tests.support.forkserver import Nursery

DATABASE, MESSAGES, SCM = "database", "messages", "scm"
# Seconds by which the clock of each host is ahead of the servers'.
CLOCKS = (0, 300, -300)


@dataclass(frozen=True)
class Site:
    """Servers, and hosts with the place of each at which processes are started."""

    postgres: PostgresServer
    rabbitmq: RabbitServer
    simulator: Simulator
    hosts: dict[Host, Place]


@contextmanager
def open_site() -> Iterator[Site]:
    """Yield a site. Raises NoHostsError, NoCompilerError or MissingServerError, each saying what to install."""
    postgres_program, rabbitmq_program = map(_installed, (Server.POSTGRES, Server.RABBITMQ))
    with ExitStack() as stack:
        networks, hosts = stack.enter_context(open_hosts(len(CLOCKS), (DATABASE, MESSAGES, SCM)))
        postgres = LocalPostgres(postgres_program, networks[DATABASE].address)
        stack.callback(postgres.close)
        rabbitmq = LocalRabbit(rabbitmq_program, networks[MESSAGES].address)
        stack.callback(rabbitmq.close)
        # On all addresses: its control door is for the machine itself only.
        simulator = stack.enter_context(running(host="0.0.0.0"))  # noqa: S104
        places = {}
        for host, seconds in zip(hosts, CLOCKS, strict=True):
            nursery = stack.enter_context(Nursery(host.words(), shifted_by(seconds)))
            places[host] = Place(nursery, host.address(SCM))
        yield Site(postgres, rabbitmq, _at(simulator, networks[SCM].address), places)


def _installed(server: Server) -> Path:
    """Return the program of a server. Raises MissingServerError: a container has a network of its own."""
    found = program(server)
    if found is None:
        raise MissingServerError(advise(server, this_machine()).text)
    return found


def _at(simulator: Simulator, address: str) -> Simulator:
    """Return the simulator with the address at which the hosts reach it."""
    port = urlsplit(simulator.url).port
    url = urlsplit(simulator.url)._replace(netloc=f"{address}:{port}").geturl()
    door = urlsplit(simulator.door)._replace(netloc=f"127.0.0.1:{port}").geturl()
    return replace(simulator, url=url, door=door)
