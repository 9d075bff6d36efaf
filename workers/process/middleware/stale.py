"""Messages whose channel has gone: RabbitMQ has already given them to somebody else."""

from dramatiq import Broker, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware, SkipMessage


class SkipStale(Middleware):
    """Don't start a prefetched message after the connection that brought it was lost."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:  # noqa: ARG002
        """Remember the worker, whose consumers tell which channel is the present one."""
        self._worker = worker

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Raise SkipMessage for a message of an earlier channel."""
        came_from = getattr(message, "came_from", None)
        if came_from is None or self._worker is None:
            return
        thread = self._worker.consumers.get(message.queue_name)
        if thread is not None and thread.consumer is not came_from:
            raise SkipMessage("delivered by a channel that is gone")
