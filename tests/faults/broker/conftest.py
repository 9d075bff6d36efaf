"""A stage for each test, and a Dramatiq that comes back sooner than in real life."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from dramatiq import worker

from certline.models import CommandStatus, Database
from certline.simulator.server import Simulator
from tests.faults.broker.stock_or_ours import Kind, Stage, broker_of
from tests.integration.workers.conftest import Bench
from tests.servers import RabbitServer, open_rabbitmq


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that has failed is back in a moment, not after three seconds."""
    monkeypatch.setattr(worker, "CONSUMER_RESTART_DELAY_SECS", 0.05)


@pytest.fixture
def stage_of(vhost: str) -> Iterator[Callable[[Kind], Stage]]:
    """Makes a stage of a kind; its connections are closed after."""
    with ExitStack() as after:

        def make(kind: Kind) -> Stage:
            broker = broker_of(kind, vhost)
            after.callback(broker.close)
            return Stage(broker, vhost)

        yield make


@pytest.fixture(scope="module")
def own_rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ of the module's own, which its tests may bring into trouble."""
    with open_rabbitmq(private=True) as server:
        yield server


@pytest.fixture
def own_vhost(own_rabbitmq: RabbitServer) -> Iterator[str]:
    """A vhost on it, of the test's own."""
    with own_rabbitmq.vhost() as url:
        yield url


@pytest.fixture
def bench(database_url: str, simulator: Simulator) -> Iterator[Bench]:
    """A line with one account that is synced, and no broker yet."""
    database = Database(database_url, pool_size=8)
    bench = Bench(database, simulator)
    bench.settings(issue_after_ms=0)
    assert bench.sync().status is CommandStatus.DONE
    yield bench
    database.close()
