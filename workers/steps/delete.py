"""The step `delete`: delete an order or a certificate from our database; SCM is not called."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models import Certificate, Command, CommandType, Order
from certline.models.certificates.certificate import certificate_meant
from certline.models.commands.payloads import DeleteCommand, read_payload
from certline.models.lifecycle.deletion import delete_line, delete_order
from certline.models.orders.order import order_known_as
from certline.models.validation import BadCommandError
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.outcomes import GiveUp
from certline.workers.runtime.step import plain_step


def delete(context: WorkerContext, command: Command) -> dict[str, Any] | None:
    """Delete the order or certificate that the command names, in one transaction. Raises GiveUp."""
    try:
        with context.database.transaction() as db:
            # Locked, so that a second delivery of the message waits and then sees the first one's result.
            return _deleted(db, db.get_one(Command, command.id, with_for_update=True))
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None


def _deleted(db: Session, command: Command) -> dict[str, Any]:
    """Delete the order or certificate that a command names. Returns the command's result: what was deleted.

    The event that answers the command is published with the deletion. Raises BadCommandError, and StillOpenError
    if SCM may still issue one of the orders.
    """
    # An earlier run committed the deletion and was killed before it ended the command; a second lookup would
    # no longer find the row, and the command would fail.
    if command.result is not None:
        return command.result
    wanted = read_payload(DeleteCommand, command.payload)
    found = to_delete(db, wanted)
    command.subject = found.id
    if isinstance(found, Certificate):
        command.result = delete_line(db, found, command, insist=wanted.yes)
    else:
        command.result = delete_order(db, found, command, insist=wanted.yes)
    return command.result


def to_delete(db: Session, wanted: DeleteCommand) -> Order | Certificate:
    """Return the order or certificate that the command names.

    Raises BadCommandError if it is unknown, ambiguous or of another account.
    """
    if wanted.certificate is not None:
        return certificate_meant(db, wanted.certificate, wanted.account)
    order = order_known_as(db, wanted.order or "", wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if wanted.account not in (None, order.account.name):
        raise BadCommandError(
            [f"account: order {order.id} belongs to {order.account.name!r}, not {wanted.account!r}"]
        )
    return order


STEP = plain_step(CommandType.DELETE, delete)
