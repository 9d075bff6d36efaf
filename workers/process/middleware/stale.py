"""Skipping of prefetched messages whose channel is closed: RabbitMQ has already redelivered them."""

from dramatiq import Broker, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware, SkipMessage


class SkipStale(Middleware):
    """Middleware that skips a prefetched message once the connection that delivered it was lost."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Remember the worker: its consumers show which channel of a queue is the current one."""
        self._worker = worker

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Raise SkipMessage for a message that an earlier channel delivered."""
        came_from = getattr(message, "came_from", None)
        # `came_from` is set by HardenedConsumer; the in-memory broker has no channels.
        if came_from is None or self._worker is None:
            return
        thread = self._worker.consumers.get(message.queue_name)
        if thread is not None and thread.consumer is not came_from:
            raise SkipMessage("delivered by a channel that is gone")
