"""Step 1 of a new order: send it to SCM, once."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandType
from certline.models.accounts.account import account_for
from certline.models.ciphers.place import in_command
from certline.models.commands.payloads import OrderCommand, read_payload
from certline.workers.ordering.new_order import NewOrder, draft_of
from certline.workers.ordering.placement import order_to_send
from certline.workers.ordering.submission import send
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.step import Step


def order(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Send the command's order to SCM, unless another run has sent it or is sending it.

    Returns None: the order's status ends the command. Raises TryLater, AccountSuspendedError, and GiveUp if
    the order is invalid.
    """

    def draft(db: Session) -> NewOrder:
        wanted = read_payload(OrderCommand, command.payload)
        account, place = account_for(db, wanted.account), in_command(command.id)
        return draft_of(db, account, wanted, context.vault, place)

    order_id = order_to_send(context, command, draft)
    if order_id is not None:
        send(context, order_id)
    return None


STEP = Step(CommandType.ORDER, order)
