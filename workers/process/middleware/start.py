"""The log entry of a worker that has started."""

import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

log = structlog.get_logger()


class LogStart(Middleware):
    """Middleware that logs that the worker listens, and to which queues."""

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Log the queues and the number of threads."""
        queues = sorted(worker.consumer_whitelist or broker.get_declared_queues())
        log.info("worker.started", queues=queues, threads=worker.worker_threads)
