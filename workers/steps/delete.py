"""Delete an order or a certificate: here only. SCM is not asked, and keeps what it has."""

from typing import Any

from sqlalchemy.orm import Session

from certline.models import Certificate, Command, CommandType, Order
from certline.models.certificates.certificate import certificate_meant
from certline.models.commands.payloads import DeleteCommand
from certline.models.lifecycle.deletion import delete_line, delete_order
from certline.models.orders.order import order_known_as
from certline.models.validation import BadCommandError
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import GiveUp
from certline.workers.runtime.step import Step


def delete(line: Line, command: Command) -> dict[str, Any] | None:
    """Delete what the command names: one transaction."""
    try:
        with line.database.transaction() as db:
            return deleted(db, db.get_one(Command, command.id))
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None


def deleted(db: Session, command: Command) -> dict[str, Any]:
    """Delete what a command names; answers what went. Raises BadCommandError, StillOpenError.

    Where it is done already, by a run that died before it could say so, nothing more goes.
    """
    if command.result is not None:
        return command.result
    wanted = DeleteCommand.model_validate(command.payload)
    found = to_delete(db, wanted)
    command.subject = found.id
    if isinstance(found, Certificate):
        command.result = delete_line(db, found, command, insist=wanted.yes)
    else:
        command.result = delete_order(db, found, command, insist=wanted.yes)
    return command.result


def to_delete(db: Session, wanted: DeleteCommand) -> Order | Certificate:
    """What is named. Raises BadCommandError."""
    if wanted.certificate is not None:
        return certificate_meant(db, wanted.certificate, wanted.account)
    order = order_known_as(db, wanted.order or "", wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if wanted.account not in (None, order.account.name):
        raise BadCommandError(
            [f"account: order {order.id} is of {order.account.name!r}, not {wanted.account!r}"]
        )
    return order


STEP = Step(CommandType.DELETE, delete)
