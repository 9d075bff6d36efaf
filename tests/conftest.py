"""Fixtures for every test. Servers start when the first test asks for one; unit tests ask for none."""

import gc
import logging
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from tests.servers import PostgresServer, RabbitServer, open_postgres, open_rabbitmq

if TYPE_CHECKING:  # imported below, by those tests only that need them
    from certline.simulator.server import Simulator

# A person's own settings must not reach the tests.
for variable in list(os.environ):
    if variable.startswith("CERTLINE_") and not variable.startswith("CERTLINE_TEST_"):
        del os.environ[variable]


def pytest_configure() -> None:
    """End a run that is told to end (CI, a closed terminal) as Ctrl-C does: servers and all."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # A server that isn't up yet is no news, and would bury what a failing test has to say.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The Postgres that tests share."""
    with open_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """The RabbitMQ that tests share."""
    with open_rabbitmq() as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: PostgresServer) -> Iterator[str]:
    """The address of a migrated database, to be copied and not to be used."""
    with postgres.database() as url:
        migrate(url)
        yield url


@pytest.fixture
def database_url(postgres: PostgresServer, template_database: str) -> Iterator[str]:
    """The address of a migrated database of the test's own."""
    from tests.told import wrong_in  # noqa: PLC0415

    with postgres.database(template_database) as url:
        yield url
        # Other systems rely on it, whatever the test was about.
        assert wrong_in(url) == []


@pytest.fixture(scope="module")
def vhost(rabbitmq: RabbitServer) -> Iterator[str]:
    """The address of a vhost of the test module's own."""
    with rabbitmq.vhost() as url:
        yield url


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A Postgres that the test may kill and start again."""
    with open_postgres(private=True) as server:
        yield server


@pytest.fixture
def private_database_url(private_postgres: PostgresServer) -> Iterator[str]:
    """The address of a migrated database on a Postgres that the test may kill."""
    with private_postgres.database() as url:
        migrate(url)
        yield url


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ that the test may kill and start again; some three seconds to start."""
    with open_rabbitmq(private=True) as server:
        yield server


@pytest.fixture(scope="session")
def running_simulator() -> "Iterator[Simulator]":
    """The simulator that tests share: one that stops takes longer than most tests."""
    from certline.simulator.server import running  # noqa: PLC0415

    with running() as server:
        yield server


@pytest.fixture
def simulator(running_simulator: "Simulator") -> "Simulator":
    """A simulator of SCM as at its start, as a server: `url` for clients, `door` for the test."""
    import requests  # noqa: PLC0415

    requests.post(f"{running_simulator.door}/reset", timeout=30).raise_for_status()
    return running_simulator


def migrate(url: str) -> None:
    """Bring a database to the newest schema."""
    from certline.models.database.migrate import upgrade  # noqa: PLC0415

    upgrade(url)
