"""Real servers for the tests: found or started, or reported with advice if missing; see `tests/conftest.py`."""

from tests.servers.discovery import MissingServerError
from tests.servers.postgres import PostgresServer, open_postgres
from tests.servers.process import Process, until
from tests.servers.rabbit_server import RabbitServer
from tests.servers.rabbitmq import open_rabbitmq, rabbit_owner
from tests.servers.shared_rabbit import SOCKET, RabbitOwner

__all__ = [
    "SOCKET",
    "MissingServerError",
    "PostgresServer",
    "Process",
    "RabbitOwner",
    "RabbitServer",
    "open_postgres",
    "open_rabbitmq",
    "rabbit_owner",
    "until",
]
