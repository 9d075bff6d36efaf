"""Retries that can't lose a message."""

from typing import Any

from dramatiq import Broker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Retries


class SafeRetries(Retries):
    """Dramatiq's retries, but a failed message that can't be sent again becomes a dead letter.

    Stock Dramatiq acks it: exceptions of "after" hooks are swallowed, so it is lost.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Send the message again after a while, or mark it as failed where that doesn't work."""
        try:
            super().after_process_message(broker, message, result=result, exception=exception)
        except BaseException:
            message.fail()
            raise
        finally:
            # A traceback travels in the message otherwise, with whatever is in its exception.
            message.options.pop("traceback", None)
