"""Retries of failed messages, without Dramatiq's way of losing one."""

from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Retries


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
