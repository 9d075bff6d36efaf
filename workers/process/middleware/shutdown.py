"""Graceful stop of a worker: calls in progress end, and no new one begins."""

import threading

import structlog
from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from certline.workers.process.logs import RoutineClose

log = structlog.get_logger()


class TellStopping(Middleware):
    """Middleware that sets an event when the worker begins to stop; pacing checks it before each call to SCM."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Set the event."""
        self._stopping.set()
        RoutineClose.stopping.set()
        log.info("worker.stopping")
