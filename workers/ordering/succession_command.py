"""Renewals and reissues as commands of other systems: their order is placed when the command runs."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from certline.models import Certificate, Command, CommandType, Order, OrderKind
from certline.models.certificates.certificate import certificate_meant
from certline.models.ciphers.place import in_command
from certline.models.commands.payloads import ReissueCommand, RenewCommand, read_payload
from certline.models.validation import BadCommandError
from certline.workers.ordering.placement import Placed, earlier_order, order_to_send
from certline.workers.ordering.rows import end_as_twin
from certline.workers.ordering.succession import Plan, plan
from certline.workers.runtime.context import WorkerContext


def successor_to_send(context: WorkerContext, command: Command) -> str | None:
    """Return the id of the command's order; place the order if the command, of another system, has none yet.

    Returns None if an order for the same successor is open, or the successor was stored after the command was
    accepted: the command has then ended. Raises GiveUp if the successor can't be ordered.
    """

    def earlier(db: Session, command: Command) -> Placed | None:
        present = earlier_order(db, command)
        if present is None and _ends_with_what_is_stored(db, command, _asked(command)):
            return Placed(command)
        return present

    def draft(db: Session) -> Plan:
        return plan(db, _asked(command), password_place=in_command(command.id))

    return order_to_send(context, command, draft, earlier)


def _asked(command: Command) -> RenewCommand | ReissueCommand:
    if command.type is CommandType.RENEW:
        return read_payload(RenewCommand, command.payload)
    return read_payload(ReissueCommand, command.payload)


def _ends_with_what_is_stored(
    db: Session, command: Command, asked: RenewCommand | ReissueCommand
) -> bool:
    """End a renewal whose certificate was renewed after the command was accepted, for instance by another batch.

    Returns True if so: the command has then ended with that renewal's order as its result.
    """
    if not isinstance(asked, RenewCommand) or asked.again:
        return False
    try:
        found = certificate_meant(db, asked.certificate, asked.account)
    except BadCommandError:
        return False  # `plan` reports it
    order = db.scalars(
        select(Order)
        .join(Certificate, Certificate.id == Order.certificate_id)
        .where(
            # A common name now finds the successor itself, if that was stored meanwhile.
            or_(Certificate.supersedes_id == found.id, Certificate.id == found.id),
            Certificate.line_id == found.line_id,
            Certificate.created_at >= command.created_at,
            Order.predecessor_id.is_not(None),
            Order.kind != OrderKind.REISSUE,
        )
    ).first()
    if order is not None:
        end_as_twin(db, db.get_one(Command, command.id, with_for_update=True), order)
    return order is not None
