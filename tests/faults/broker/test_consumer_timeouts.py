"""Fault tests of a task that outlasts RabbitMQ's consumer timeout (30 minutes by default, a second in these
tests).

On quorum queues: since RabbitMQ 4.3 classic queues have no such timeout.
"""

import gc
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from certline.models import Account, OrderStatus
from certline.producers.messaging.publisher import rabbit_wire
from certline.producers.relay import Relay
from certline.workers.process.broker import HardenedBroker, connection_url
from certline.workers.runtime.context import WorkerContext
from tests.faults.broker.stock_or_ours import Kind, Stage, broker_of
from tests.faults.broker.workers import only_the_order_is_to_be_sent, waiting, working
from tests.integration.workers.conftest import Bench
from tests.servers import RabbitServer, until
from tests.support.proxy import Gate
from tests.support.sealed_rows import move_account

pytestmark = pytest.mark.slow

ENROLL = "POST /ssl/v1/enroll"
# Seconds: RabbitMQ checks its timeouts by its own clock, and starts another consumer afterwards.
LONG = 60


@pytest.fixture
def hasty(own_rabbitmq: RabbitServer) -> Iterator[str]:
    """Yield a vhost of a RabbitMQ that waits a second for an ack, and checks five times a second."""
    own_rabbitmq.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1000).")
    own_rabbitmq.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 200).")
    with own_rabbitmq.vhost() as url:
        yield url


# Stock Dramatiq leaves the connection open whose channel RabbitMQ has closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_on_stock_a_long_task_runs_in_two_workers_at_once(hasty: str) -> None:
    running = threading.Semaphore(0)
    release = threading.Event()

    def work(_: str) -> None:
        running.release()
        assert release.wait(LONG)

    with closing(broker_of(Kind.STOCK, hasty, quorum=True)) as broker:
        stage = Stage(broker, hasty)
        stage.act = work
        stage.publish("A")
        with stage.working(), stage.working():
            at_once = [running.acquire(timeout=LONG) for _ in range(2)]
            release.set()

    assert at_once == [True, True]
    del stage, broker
    gc.collect()


def test_on_ours_a_long_call_is_delivered_again_and_made_once(hasty: str, bench: Bench) -> None:
    with Gate(bench.simulator.url) as gate:
        with bench.database.transaction() as db:
            account = db.get_one(Account, bench.account().id)
            move_account(db, bench.line.vault, account, gate.url)
        patient = bench.line.settings.replace(scm_read_seconds=3 * LONG)
        lines = [WorkerContext(bench.database, bench.line.vault, patient) for _ in range(2)]
        gate.close(answers=True)
        command = bench.place()
        only_the_order_is_to_be_sent(bench.database)
        with closing(HardenedBroker(url=[connection_url(hasty)], quorum=True)) as broker:
            wire = rabbit_wire(broker)
            wire.open()
            assert Relay(bench.database, wire).pump() == 1

        with working(lines[0], hasty, quorum=True):
            assert gate.arrived.wait(LONG)
            with working(lines[1], hasty, quorum=True):
                until(lambda: bench.command(command.id).restarts > 0, LONG)
                gate.open()
                until(lambda: bench.order(command).status is OrderStatus.PENDING, LONG)
                until(lambda: waiting(hasty) == 0, LONG)

    assert bench.calls(ENROLL) == 1
    assert len(bench.orders_at_scm()) == 1
