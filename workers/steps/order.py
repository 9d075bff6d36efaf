"""Step 1 of a new order: send it to SCM, once."""

from typing import Any

from certline.models import Command, CommandType
from certline.models.accounts.account import account_for
from certline.models.commands.payloads import OrderCommand
from certline.models.orders.order import order_of_command
from certline.models.validation import BadCommandError
from certline.workers.ordering.key_material import make_key
from certline.workers.ordering.placement import check, place
from certline.workers.ordering.submission import send
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp
from certline.workers.runtime.step import Step


def order(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Send the command's order to SCM, unless another run has sent it or is sending it.

    Returns None: the order's status ends the command. Raises TryLater, AccountSuspendedError, and GiveUp if
    the order is invalid.
    """
    order_id = _placed(context, command)
    if order_id is not None:
        send(context, order_id)
    return None


def _placed(context: WorkerContext, command: Command) -> str | None:
    """Return the id of the command's order; place the order if the command, of another system, has none yet.

    Returns None if an order with the same intent is open: the command has then ended with that order.
    """
    with context.database.transaction() as db:
        present = order_of_command(db, command.id)
        if present is not None:
            return present.id
        try:
            wanted = OrderCommand.model_validate(command.payload)
            account = account_for(db, wanted.account)
            checked = check(db, account, wanted)
        except BadCommandError as bad:
            raise GiveUp(str(bad)) from None
    try:
        material = make_key(wanted, context.vault)
        with context.database.transaction() as db:
            # The key was generated outside a transaction. A parallel run of this command may have placed
            # the order meanwhile, so lock the command and check again.
            mine = db.get_one(Command, command.id, with_for_update=True)
            present = order_of_command(db, command.id)
            if present is not None:
                return present.id
            placed = place(
                db,
                mine,
                account,
                wanted=wanted,
                checked=checked,
                material=material,
                vault=context.vault,
            )
            return None if placed is None else placed.id
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None


STEP = Step(CommandType.ORDER, order)
