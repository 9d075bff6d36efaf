"""How many messages a worker process takes of a queue: as many as it has threads.

Fewer would leave threads idle that it was given (a message counts until it is done). More would wait in
it while other workers are idle; Dramatiq takes twice as many.
"""

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware


class TakeAsManyAsThreads(Middleware):
    """Sets what the worker's consumers take of each queue, before there is one."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Set it."""
        worker.queue_prefetch = worker.worker_threads
