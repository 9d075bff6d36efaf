"""Fixtures shared by all tests. Servers start when the first test requests them; unit tests use none."""

import gc
import logging
import os
import signal
from collections.abc import Iterator
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.servers import (
    SOCKET,
    PostgresServer,
    RabbitOwner,
    RabbitServer,
    open_postgres,
    open_rabbitmq,
    rabbit_owner,
)

if TYPE_CHECKING:  # imported below, by those tests only that need them
    from certline.simulator.server import Simulator
    from tests.servers.dns import DnsServer
    from tests.servers.name_servers import NameServers

# The developer's own settings must not affect the tests.
for variable in list(os.environ):
    if variable.startswith("CERTLINE_") and not variable.startswith("CERTLINE_TEST_"):
        del os.environ[variable]

# No test is timed: on a busy machine an example takes longer than Hypothesis allows by default.
settings.register_profile("certline", deadline=None)
settings.load_profile("certline")


def pytest_configure(config: pytest.Config) -> None:
    """Make SIGTERM (CI) and SIGHUP (closed terminal) end the run as Ctrl-C does, which stops its servers."""
    # Set by `pytest_configure_node` in the processes of a parallel run.
    if SOCKET in (given := getattr(config, "workerinput", {})):
        os.environ[SOCKET] = given[SOCKET]

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    # Tests expect servers that aren't up yet; pika's errors about them would bury the output of a failing test.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Let all processes of a parallel run use one RabbitMQ server, which this process owns (pytest-xdist)."""
    node.workerinput[SOCKET] = str(owner().path)


def pytest_unconfigure() -> None:
    """Stop the RabbitMQ server of a parallel run."""
    if owner.cache_info().currsize:
        owner().close()


@cache
def owner() -> RabbitOwner:
    """Return the owner of the run's RabbitMQ server."""
    return rabbit_owner()


def pytest_collection_finish() -> None:
    """Exempt all modules imported so far from garbage collection, which makes the tests faster."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Yield the Postgres server that tests share."""
    with open_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """Yield the RabbitMQ server that tests share."""
    with open_rabbitmq() as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: PostgresServer) -> Iterator[str]:
    """Yield the URL of a migrated database, used only as a template to copy."""
    with postgres.database() as url:
        migrate(url)
        yield url


@pytest.fixture
def database_url(postgres: PostgresServer, template_database: str) -> Iterator[str]:
    """Yield the URL of the test's own migrated database. Afterwards, check every event in its outbox."""
    from tests.support.documented_events import wrong_in  # noqa: PLC0415

    with postgres.database(template_database) as url:
        yield url
        # Whatever the test was about, its events must be as documented.
        assert wrong_in(url) == []


@pytest.fixture(scope="module")
def vhost(rabbitmq: RabbitServer) -> Iterator[str]:
    """Yield the URL of the test module's own vhost."""
    with rabbitmq.vhost() as url:
        yield url


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """Yield a Postgres server that the test may kill and restart."""
    with open_postgres(private=True) as server:
        yield server


@pytest.fixture
def private_database_url(private_postgres: PostgresServer) -> Iterator[str]:
    """Yield the URL of a migrated database on a Postgres server that the test may kill."""
    with private_postgres.database() as url:
        migrate(url)
        yield url


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitServer]:
    """Yield a RabbitMQ server that the test may kill and restart; it takes about three seconds to start."""
    with open_rabbitmq(private=True) as server:
        yield server


@pytest.fixture(scope="session")
def running_simulator() -> "Iterator[Simulator]":
    """Yield the simulator that tests share, because stopping one takes longer than most tests."""
    from certline.simulator.server import running  # noqa: PLC0415

    with running() as server:
        yield server


@pytest.fixture
def simulator(running_simulator: "Simulator") -> "Simulator":
    """Return the running simulator, reset to its initial state: `url` for clients, `door` to control it."""
    import requests  # noqa: PLC0415

    requests.post(f"{running_simulator.door}/reset", timeout=30).raise_for_status()
    return running_simulator


@pytest.fixture(scope="session")
def name_server_programs() -> None:
    """Require the programs of name servers. Without them the test fails on CI, and is skipped elsewhere."""
    from tests.servers.discovery import this_machine  # noqa: PLC0415
    from tests.servers.runtimes import NAME_SERVERS, is_fault, missing  # noqa: PLC0415

    if lacks := missing(NAME_SERVERS):
        give_up = pytest.fail if is_fault(NAME_SERVERS, this_machine()) else pytest.skip
        give_up(f"Validation at real name servers is not tested: {lacks}")


@pytest.fixture(scope="session")
def name_servers(name_server_programs: None) -> "Iterator[NameServers]":  # noqa: ARG001  # required first
    """Yield the name servers that tests share."""
    from tests.servers.name_servers import NameServers  # noqa: PLC0415

    servers = NameServers()
    servers.start()
    yield servers
    servers.close()


@pytest.fixture
def dns_server(name_servers: "NameServers") -> "DnsServer":
    """Return the name servers, with nothing in their zones but what the test puts there."""
    from tests.servers.dns import DnsServer  # noqa: PLC0415

    server = DnsServer(name_servers)
    server.clear()
    return server


def migrate(url: str) -> None:
    """Migrate a database to the newest schema."""
    from certline.models.database.migrate import upgrade  # noqa: PLC0415

    upgrade(url)
