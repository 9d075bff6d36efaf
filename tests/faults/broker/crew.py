"""Workers with certline's actors in this process, which take what the relay publishes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import dramatiq
from sqlalchemy import delete

from certline.models import Database, Outbox, Queue
from certline.workers.app import declare
from certline.workers.process.broker import HardenedBroker, connection_url
from certline.workers.runtime.context import WorkerContext
from tests.faults.broker.stage import channel_to


@contextmanager
def working(
    context: WorkerContext, url: str, *, threads: int = 1, quorum: bool = False
) -> Iterator[dramatiq.Worker]:
    """Run a worker for the order queue; it finishes started messages at the end of the block."""
    with closing(HardenedBroker(url=[connection_url(url)], quorum=quorum)) as broker:
        declare(broker, context)
        worker = dramatiq.Worker(
            broker, queues={Queue.ORDER.value}, worker_timeout=50, worker_threads=threads
        )
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()


def only_the_order_is_to_be_sent(database: Database) -> None:
    """Delete every outbox row but the order's."""
    with database.transaction() as db:
        db.execute(delete(Outbox).where(Outbox.routing_key != Queue.ORDER.value))


def waiting(url: str, queue: Queue = Queue.ORDER) -> int:
    """Count the queue's messages that no worker holds."""
    with channel_to(url) as channel:
        return int(channel.queue_declare(queue.value, passive=True).method.message_count)
