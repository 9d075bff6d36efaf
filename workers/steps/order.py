"""Step 1 of a new order: send it to SCM, once."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Order
from certline.models.accounts.account import account_for
from certline.models.ciphers.place import in_command
from certline.models.commands.payloads import OrderCommand, read_payload
from certline.models.orders.order import order_of_command
from certline.workers.ordering.claim import Claim, claim_at_once
from certline.workers.ordering.new_order import NewOrder, draft_of
from certline.workers.ordering.placement import order_to_send
from certline.workers.ordering.submission import send, submit
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.recovery_gate import require_settled_in
from certline.workers.runtime.step import Step


@dataclass(frozen=True)
class OrderAtHand:
    """The command's order, if it has one already, and its claim, if its call may be made at once."""

    order: Order | None
    claim: Claim | None


def load(context: WorkerContext, db: Session, command: Command) -> OrderAtHand:
    """Load the command's order, and claim it if its call may be made at once."""
    found = order_of_command(db, command.id)
    if found is None:  # sent by another system
        require_settled_in(context.database, db)
        return OrderAtHand(None, None)
    name_in_logs(found)
    return OrderAtHand(found, claim_at_once(context, db, found))


def order(context: WorkerContext, command: Command, begun: OrderAtHand) -> None:
    """Send the command's order to SCM, unless another run has sent it or is sending it.

    The order's status ends the command. Raises TryLater, AccountSuspendedError, and GiveUp if the order is
    invalid.
    """
    if begun.claim is not None:
        submit(context, begun.claim)
        return
    if begun.order is not None:
        send(context, begun.order)
        return

    def draft(db: Session) -> NewOrder:
        wanted = read_payload(OrderCommand, command.payload)
        account, place = account_for(db, wanted.account), in_command(command.id)
        return draft_of(db, account, wanted, context.vault, place)

    placed = order_to_send(context, command, draft)
    if placed is not None:
        send(context, placed)


STEP = Step(CommandType.ORDER, order, load)
