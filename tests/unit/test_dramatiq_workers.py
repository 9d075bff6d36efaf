"""Tests of what our middleware, health checks and processes assume about Dramatiq's workers; see also
test_dramatiq_hooks.py.
"""

import inspect
import json
from typing import Any

import dramatiq
import pika.spec
import pytest
from dramatiq import Worker, cli
from dramatiq.broker import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, Retries
from dramatiq.worker import ConsumerThread, WorkerThread

from certline.models.settings import Settings
from certline.workers.process.broker import HardenedConsumer, make_broker
from certline.workers.process.health import WorkerHealth, fault_of
from certline.workers.process.middleware.prefetch import TakeAsManyAsThreads
from certline.workers.process.middleware.reserved_thread import KeepAThread, SharedQueue
from certline.workers.process.middleware.shutdown import TellStopping
from certline.workers.process.middleware.stale import SkipStale
from certline.workers.process.middleware.start import LogStart


@pytest.mark.parametrize(
    "kind", [SkipStale, TellStopping, KeepAThread, TakeAsManyAsThreads, WorkerHealth, LogStart]
)
def test_each_hook_of_our_middleware_is_one_that_dramatiq_calls(kind: type[Middleware]) -> None:
    hooks = [name for name in vars(kind) if name.startswith(("before_", "after_"))]

    assert hooks
    for hook in hooks:
        theirs, ours = getattr(Middleware, hook), getattr(kind, hook)
        assert list(inspect.signature(ours).parameters) == list(
            inspect.signature(theirs).parameters
        )


def test_a_worker_says_that_it_stops_before_it_waits_for_its_threads() -> None:
    source = inspect.getsource(Worker.stop)

    assert source.index('emit_before("worker_shutdown"') < source.index("join_all(self.workers")


def test_a_worker_says_that_it_boots_and_its_threads_heed_a_skipped_message() -> None:
    source = inspect.getsource(Worker.start)

    assert 'emit_before("worker_boot"' in source
    assert 'emit_after("worker_boot"' in source
    assert "except SkipMessage" in inspect.getsource(WorkerThread.process_message)


def test_our_work_queue_is_there_before_a_thread_or_a_consumer_takes_it() -> None:
    source = inspect.getsource(Worker.start)
    broker = make_broker(Settings())
    broker.declare_queue("certline.bulk")
    running = Worker(broker, worker_threads=2, worker_timeout=10)

    running.start()
    try:
        held: list[Any] = [*running.workers, *running.consumers.values()]
        assert isinstance(running.work_queue, SharedQueue)
        assert len(held) == 4
        assert all(each.work_queue is running.work_queue for each in held)
    finally:
        running.stop(timeout=5000)
    assert source.index('emit_before("worker_boot"') < source.index("_add_worker")
    done = inspect.getsource(WorkerThread.process_message).partition("finally:")[2]
    assert "self.work_queue.task_done()" in done


def test_what_a_worker_takes_of_a_queue_is_read_when_its_consumers_start() -> None:
    broker = make_broker(Settings())
    broker.declare_queue("certline.order")
    broker.add_middleware(TakeAsManyAsThreads())
    running = Worker(broker, worker_threads=3, worker_timeout=10)
    assert running.queue_prefetch != 3
    running.start()
    try:
        assert running.consumers["certline.order"].prefetch == 3
    finally:
        running.stop(timeout=5000)


def test_a_workers_threads_and_consumers_are_where_health_looks_for_them() -> None:
    broker = make_broker(Settings())
    assert isinstance(broker, StubBroker)
    broker.declare_queue("certline.order")
    running = Worker(broker, worker_threads=2, worker_timeout=10)
    before = ConsumerThread(
        broker=broker,
        queue_name="certline.order",
        prefetch=1,
        work_queue=running.work_queue,
        worker_timeout=10,
    )
    assert before.consumer is None

    running.start()
    try:
        assert len(running.workers) == 2
        assert all(isinstance(thread, WorkerThread) for thread in running.workers)
        assert set(running.consumers) == {"certline.order", "certline.order.DQ"}
    finally:
        running.stop()

    assert fault_of(running) == "2 worker threads have died"


def test_a_message_can_be_marked_with_the_consumer_that_brought_it() -> None:
    message = MessageProxy(dramatiq.Message.decode(json.dumps(MESSAGE).encode()))

    message.came_from = self = object()  # type: ignore[attr-defined]

    assert message.came_from is self


def test_dramatiqs_retries_put_a_traceback_where_ours_take_it_out() -> None:
    assert 'message.options["traceback"]' in inspect.getsource(Retries.after_process_message)


def test_a_broken_connection_is_dropped_by_deleting_it() -> None:
    for name in ("connection", "channel"):
        kept = vars(RabbitmqBroker)[name]
        assert kept.fget is not None
        assert kept.fdel is not None


def test_a_consumer_has_a_connection_of_its_own_that_is_closed_with_it() -> None:
    source = inspect.getsource(_RabbitmqConsumer.__init__)

    assert "self.connection = pika.BlockingConnection(" in source
    assert "self.channel = self.connection.channel()" in source
    assert "close" in vars(HardenedConsumer)
    assert "self.close()" in inspect.getsource(ConsumerThread.run)


def test_dramatiqs_program_knows_the_arguments_that_a_worker_is_started_with() -> None:
    given = ["certline.workers.app:worker_app", "--processes=1", "--threads=4", "--skip-logging"]
    given += ["--worker-shutdown-timeout=250000", "--queues", "certline.order", "certline.poll"]

    parsed = cli.make_argument_parser().parse_args(given)

    assert parsed.worker_shutdown_timeout == 250000
    assert parsed.queues == ["certline.order", "certline.poll"]
    assert "worker.stop(timeout=args.worker_shutdown_timeout)" in inspect.getsource(
        cli.worker_process
    )


MESSAGE = {
    "queue_name": "certline.order",
    "actor_name": "order",
    "args": [],
    "kwargs": {},
    "options": {},
    "message_id": "0190",
    "message_timestamp": 1764000000000,
}


def test_pika_reads_headers_through_the_function_that_is_made_to_survive() -> None:
    assert "data.decode_table(" in inspect.getsource(pika.spec.BasicProperties.decode)
