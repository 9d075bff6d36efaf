"""Worker, relay and producer in one process over an in-memory broker, as `certline up` and the demo run them.

Commands are rows, so a killed `certline up` loses nothing: the next one wakes the open commands.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import structlog
from dramatiq import Worker

from certline.models import Database, Queue
from certline.models.heartbeat import Part
from certline.models.settings import Settings
from certline.producers.capacity import sized
from certline.producers.messaging.publisher import wire_of
from certline.producers.postgres_watch import postgres_ends_with_us
from certline.producers.presence import alive
from certline.producers.processes import grace, until_told
from certline.producers.relay import Relay
from certline.producers.retention import Keep
from certline.producers.schedule import Producer
from certline.producers.sweep import wake
from certline.producers.witness.keeper import WitnessKeeper
from certline.producers.witness.store import WitnessFile
from certline.workers.app import declare, open_line
from certline.workers.process.broker import make_broker
from certline.workers.process.health import death_in, fault_of
from certline.workers.process.logs import configure
from certline.workers.runtime.context import WorkerContext

log = structlog.get_logger()


def run_up(
    settings: Settings, beside: Callable[[], AbstractContextManager[object]] = nullcontext
) -> int:
    """Run worker, relay and producer in this process until it is stopped. Returns the exit code.

    `beside`: what else runs for as long, such as the board.
    """
    configure(settings, "up")
    watch = postgres_ends_with_us(settings.home) if settings.embedded else nullcontext()
    threads = sized(settings, processes=1).threads
    with until_told() as stop, watch, running(settings, threads=threads), beside():
        log.info("up.started", home=str(settings.home) if settings.embedded else None)
        stop.wait()
        log.info("up.stopping")
    return 0


@contextmanager
def running(settings: Settings, *, threads: int = 8) -> Iterator[WorkerContext]:
    """Run worker, relay and producer in threads of this process for the length of the block.

    Yields the worker context.
    """
    line = open_line(settings, threads=threads)
    broker = make_broker(settings.replace(rabbitmq_url=None))
    declare(broker, line)
    worker = Worker(broker, worker_threads=threads, worker_timeout=100)
    relay_database = Database(line.database.url, pool_size=2)
    # Beside the folder of the embedded Postgres; of another one there is no place that its snapshots do not have.
    beside = WitnessFile(settings.home / "witness.json" if settings.embedded else None)
    witness = WitnessKeeper(relay_database, beside)
    relay = Relay(relay_database, wire_of(broker), witness=witness)
    producer = Producer(line.database, settings.settle, Keep.of(settings), settings.audit_heads)
    stop = threading.Event()
    # The messages of an earlier process were lost with its memory, but its commands are rows: wake them.
    with line.database.transaction() as db:
        wake(db, lost=timedelta(0), dead=timedelta(0))
    worker.start()
    threads_of_parts = [
        threading.Thread(target=part.run, args=(stop,), name=type(part).__name__, daemon=True)
        for part in (relay, producer)
    ]
    for thread in threads_of_parts:
        thread.start()

    def fault() -> str | None:
        return fault_of(worker) or relay.fault() or producer.fault()

    def death() -> str | None:
        return death_in(worker) or relay.watchdog.fault() or producer.watchdog.fault()

    queues = [queue.value for queue in Queue]
    try:
        with alive(
            settings,
            line.database,
            Part.UP,
            fault,
            live=death,
            vault=line.vault,
            queues=queues,
            threads=threads,
            tally=line.tally,
        ):
            yield line
    finally:
        stop.set()
        # Relay and producer end first, so that no new work reaches the worker while it stops.
        for thread in threads_of_parts:
            thread.join(timeout=30)
        worker.stop(timeout=round(grace(settings) * 1000))
        broker.close()
        relay_database.close()
        line.database.close()
