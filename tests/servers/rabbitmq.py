"""Opening of a RabbitMQ server for tests, from the best origin available."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.container_rabbit import ContainerRabbit
from tests.servers.finding import Found, Origin, Server, find, this_machine
from tests.servers.given_rabbit import GivenRabbit
from tests.servers.local_rabbit import LocalRabbit
from tests.servers.rabbit_server import RabbitServer


@contextmanager
def open_rabbitmq(*, private: bool = False) -> Iterator[RabbitServer]:
    """Yield a server of the best origin available; a private one is new and may be killed."""
    server = _start(find(Server.RABBITMQ, this_machine(), private=private))
    try:
        yield server
    finally:
        server.close()


def _start(found: Found) -> RabbitServer:
    match found.origin:
        case Origin.GIVEN:
            return GivenRabbit(found.where)
        case Origin.DOCKER:
            return ContainerRabbit(found.where)
        case Origin.LOCAL:
            return LocalRabbit(Path(found.where))
