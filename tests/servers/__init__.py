"""Real servers for the tests: found or started, or reported with advice if missing; see `tests/conftest.py`."""

from tests.servers.finding import MissingServerError
from tests.servers.postgres import PostgresServer, open_postgres
from tests.servers.process import Process, until
from tests.servers.rabbit_server import RabbitServer
from tests.servers.rabbitmq import open_rabbitmq

__all__ = [
    "MissingServerError",
    "PostgresServer",
    "Process",
    "RabbitServer",
    "open_postgres",
    "open_rabbitmq",
    "until",
]
