"""The end of tracing in a worker process: what was recorded last is sent."""

from collections.abc import Callable

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from certline.workers.tracing.setup import PART_WITHIN


class SendLastSpans(Middleware):
    """Middleware that ends tracing once the worker's last thread has ended."""

    def __init__(self, end: Callable[[float], None]) -> None:
        self._end = end

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Send what is left, within PART_WITHIN seconds."""
        self._end(PART_WITHIN)
