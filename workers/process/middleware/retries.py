"""Retries of failed messages, without Dramatiq's way of losing one."""

from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.common import current_millis
from dramatiq.middleware import Retries

# Milliseconds between two tries: at first, and at most.
FIRST_BACKOFF, LONGEST_BACKOFF = 1_000, 30_000
# A message that is later than this was delayed by a clock that is behind ours.
LATE = 120_000


class SafeRetries(Retries):
    """Dramatiq's retries, except that a failed message that cannot be sent again becomes a dead letter.

    Stock Dramatiq would lose it: it swallows exceptions of "after" hooks and acknowledges the message.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Enqueue a failed message again with a delay, or mark it as failed if that is impossible."""
        try:
            super().after_process_message(broker, message, result=result, exception=exception)
        except BaseException:
            message.fail()
            raise
        finally:
            # Dramatiq puts the traceback into the message's options, and an exception may hold secrets.
            message.options.pop("traceback", None)


def due_by_our_clock(eta: float, delayed_at: float) -> float:
    """Return when a delayed message is due by this host's clock (milliseconds since 1970).

    Both arguments are by the clock of the host that delayed it. If that is minutes behind ours, its tries would
    follow each other without a pause until none is left; if it is ahead, each would wait for minutes.
    """
    delay = min(max(eta - delayed_at, 0), LONGEST_BACKOFF)
    now = current_millis()
    if eta <= now <= eta + LATE:
        return eta  # it is overdue, as after the death of the worker that had it
    return eta if now <= eta <= now + delay else now + delay
