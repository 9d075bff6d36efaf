"""Fixtures of the broker tests: a stage per test, and a short restart delay for Dramatiq's consumers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from dramatiq import worker

from certline.models import CommandStatus, Database
from certline.simulator.server import Simulator
from tests.faults.broker.stage import Kind, Stage, broker_of
from tests.integration.workers.conftest import Bench
from tests.servers import RabbitServer, open_rabbitmq


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restart a failed consumer after 0.05 seconds instead of three."""
    monkeypatch.setattr(worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)


@pytest.fixture
def stage_of(vhost: str) -> Iterator[Callable[[Kind], Stage]]:
    """Yield a factory of stages by kind of broker, whose connections are closed afterwards."""
    with ExitStack() as after:

        def make(kind: Kind) -> Stage:
            broker = broker_of(kind, vhost)
            after.callback(broker.close)
            return Stage(broker, vhost)

        yield make


@pytest.fixture(scope="module")
def own_rabbitmq() -> Iterator[RabbitServer]:
    """Yield a RabbitMQ of the module's own, which its tests may disturb."""
    with open_rabbitmq(private=True) as server:
        yield server


@pytest.fixture
def own_vhost(own_rabbitmq: RabbitServer) -> Iterator[str]:
    """Yield the URL of the test's own vhost on it."""
    with own_rabbitmq.vhost() as url:
        yield url


@pytest.fixture
def bench(database_url: str, simulator: Simulator) -> Iterator[Bench]:
    """Yield a bench with one synced account, and no broker yet."""
    database = Database(database_url, pool_size=8)
    bench = Bench(database, simulator)
    bench.settings(issue_after_ms=0)
    assert bench.sync().status is CommandStatus.DONE
    yield bench
    database.close()
