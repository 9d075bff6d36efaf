"""Opening of a RabbitMQ server for tests, from the best origin available."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.container_rabbit import ContainerRabbit
from tests.servers.discovery import Found, Origin, Server, find, this_machine
from tests.servers.external_rabbit import GivenRabbit
from tests.servers.local_rabbit import LocalRabbit
from tests.servers.rabbit_server import RabbitServer
from tests.servers.shared_rabbit import RabbitOwner, SharedRabbit, shared


@contextmanager
def open_rabbitmq(*, private: bool = False) -> Iterator[RabbitServer]:
    """Yield a server of the best origin available; a private one is new and may be killed."""
    server = _start(find(Server.RABBITMQ, this_machine(), private=private), private=private)
    try:
        yield server
    finally:
        server.close()


def rabbit_owner() -> RabbitOwner:
    """Return the owner of a server for several test processes, which is started when one of them needs it."""
    return RabbitOwner(lambda: _start(find(Server.RABBITMQ, this_machine()), private=True))


def _start(found: Found, *, private: bool) -> RabbitServer:
    socket = shared()
    if socket and not private and found.origin is not Origin.GIVEN:
        return SharedRabbit(socket)
    match found.origin:
        case Origin.GIVEN:
            return GivenRabbit(found.where)
        case Origin.DOCKER:
            return ContainerRabbit(found.where)
        case Origin.LOCAL:
            return LocalRabbit(Path(found.where))
