"""Prefetch limit of a worker process: as many messages of each queue as it has threads.

With fewer, threads would idle, since a message counts until it is acknowledged. With more (Dramatiq takes
twice as many), messages would wait in this process while other workers are idle.
"""

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware


class TakeAsManyAsThreads(Middleware):
    """Middleware that sets the prefetch limit of a worker's consumers."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Set the limit before the first consumer is created."""
        worker.queue_prefetch = worker.worker_threads
