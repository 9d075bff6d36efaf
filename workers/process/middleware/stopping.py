"""A worker that has been told to stop: what is under way ends, and nothing new begins."""

import threading

import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

log = structlog.get_logger()


class TellStopping(Middleware):
    """Sets an event when the worker begins to stop; a step that asks SCM many things heeds it."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Tell it."""
        self._stopping.set()
        log.info("worker.stopping")
