"""Dramatiq middleware that runs around every message."""

from dramatiq.middleware import CurrentMessage, Middleware, ShutdownNotifications

from certline.workers.process.middleware.reserved_thread import KeepAThread
from certline.workers.process.middleware.retries import (
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    SafeRetries,
)
from certline.workers.process.middleware.stale import SkipStale


def middleware() -> list[Middleware]:
    """Return the middleware of our brokers, outermost first.

    Dramatiq's defaults are left out on purpose: TimeLimit would discard a response of SCM and run the call
    again, and with Callbacks and Pipelines a message could call any actor.
    """
    return [
        SkipStale(),  # RabbitMQ has already redelivered such a message to another consumer
        KeepAThread(),  # keeps one thread free of bulk work
        ShutdownNotifications(),  # only for actors that opt in; none of ours does
        # For bugs of ours and for outages of Postgres, a quarter of an hour in all.
        SafeRetries(max_retries=30, min_backoff=FIRST_BACKOFF, max_backoff=LONGEST_BACKOFF),
        CurrentMessage(),
    ]
