"""What happens around every message: the list, outermost first, each with its reason."""

from dramatiq.middleware import CurrentMessage, Middleware, ShutdownNotifications

from certline.workers.process.middleware.reserved_thread import KeepAThread
from certline.workers.process.middleware.retries import SafeRetries
from certline.workers.process.middleware.stale import SkipStale


def middleware() -> list[Middleware]:
    """The middleware of our brokers.

    There is no TimeLimit (it throws SCM's answer away and sends the order again), and no Callbacks
    or Pipelines (the wire could call any actor).
    """
    return [
        SkipStale(),  # a message that RabbitMQ has already given to somebody else isn't started
        KeepAThread(),  # bulk work leaves one for what is urgent
        ShutdownNotifications(),  # an actor may ask to be told; none of ours does
        # Faults of ours, and a Postgres that is away: for a quarter of an hour. Milliseconds.
        SafeRetries(max_retries=30, min_backoff=1_000, max_backoff=30_000),
        CurrentMessage(),
    ]
