"""The steps of renewals and reissues: their order is placed if it was not before, checked at SCM, and sent."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import Session

from certline.models import Certificate, Command, CommandType, Order, OrderKind
from certline.models.certificates.certificate import certificate_meant
from certline.models.ciphers.place import in_command
from certline.models.commands.payloads import ReissueCommand, RenewCommand, read_payload
from certline.models.database.base import new_id
from certline.models.database.session import wake_later
from certline.models.lifecycle.succession_rule import hindrances
from certline.models.orders.order import order_of_command
from certline.workers.ordering.precheck import Before, Objection, before_sending, may_be_sent
from certline.workers.ordering.recovery_answer import ends_with_what_was_recovered
from certline.workers.ordering.rows import begin_order, end_as_twin
from certline.workers.ordering.submission import send
from certline.workers.ordering.succession import Plan, plan
from certline.workers.runtime.context import WorkerContext
from certline.workers.runtime.log_fields import name_in_logs
from certline.workers.runtime.recovery_gate import require_settled_in
from certline.workers.scm import Details


@dataclass(frozen=True)
class SuccessorAtHand:
    """What a renewal or reissue begins with: its order, with what is known before SCM is asked, or its plan.

    The plan is that of a command of another system, a batch or automatic renewal: the step places its order.
    """

    order: Order | None = None
    before: Before | None = None
    plan: Plan | None = None


def load(context: WorkerContext, db: Session, command: Command) -> SuccessorAtHand:
    """Load the command's order, or plan it. Raises BadCommandError if the certificate can't have this successor.

    Nothing is left to do if the successor was stored after the command was accepted: the command has then ended.
    """
    require_settled_in(context.database, db)
    order = order_of_command(db, command.id)
    if order is not None:
        name_in_logs(order)
        return SuccessorAtHand(order, before_sending(context, db, command, order))
    asked = _asked(command)
    # Both in one query, where the certificate is named by its id. The session, which refers to its objects weakly,
    # has them ready for the next lines.
    both = db.execute(_WITH_ORIGIN, {"named": asked.certificate.upper()}).all()
    found = certificate_meant(db, asked.certificate, asked.account)
    known = hindrances(db, found)
    if (known.stored or found.key_lost) and ends_with_what_was_recovered(db, command, asked, found):
        return SuccessorAtHand()
    # A common name names that successor itself.
    is_newer = known.stored or found.created_at >= command.created_at
    if is_newer and _ends_with_what_is_stored(db, command, asked, found):
        return SuccessorAtHand()
    place = in_command(command.id)
    planned = plan(
        db, asked, context.offers(), password_place=place, predecessor=found, known=known
    )
    del both
    return SuccessorAtHand(plan=planned)


_WITH_ORIGIN = (
    select(Certificate, Order)
    .join(Order, Order.id == Certificate.order_id)
    .where(Certificate.id == bindparam("named"))
)


def send_successor(
    context: WorkerContext,
    command: Command,
    begun: SuccessorAtHand,
    objection: Callable[[Details, Before], Objection | None],
) -> None:
    """Place the command's order if it has none yet, and send it to SCM unless `objection` objects.

    Raises TryLater, AccountSuspendedError, and BadCommandError or GiveUp if the successor can't be ordered.
    """
    if begun.plan is not None:
        begun = _place(context, command, begun.plan)
    if begun.order is None:
        return
    if begun.before is None or may_be_sent(context, command, begun.before, objection):
        predecessor = None if begun.before is None else begun.before.predecessor
        send(context, begun.order, predecessor)


def _place(context: WorkerContext, command: Command, planned: Plan) -> SuccessorAtHand:
    """Store the planned order; none if an order for the same successor is open, which ends the command."""
    # Generating a key takes time: no transaction is open meanwhile.
    material = planned.make_key(context.vault)
    with context.database.transaction() as db:
        order_id = new_id()
        if not begin_order(db, command, order_id):
            # A parallel run was faster: the new key is discarded.
            return load(context, db, db.get_one(Command, command.id))
        order = planned.place(db, command, material, context.vault, order_id)
        if order is None:
            return SuccessorAtHand()
        name_in_logs(order)
        wake_later(db)
        fresh = planned.predecessor.scm_id, planned.renewed
        return SuccessorAtHand(order, before_sending(context, db, command, order, fresh))


def _asked(command: Command) -> RenewCommand | ReissueCommand:
    if command.type is CommandType.RENEW:
        return read_payload(RenewCommand, command.payload)
    return read_payload(ReissueCommand, command.payload)


def _ends_with_what_is_stored(
    db: Session, command: Command, asked: RenewCommand | ReissueCommand, found: Certificate
) -> bool:
    """End a renewal whose certificate was renewed after the command was accepted, for instance by another batch.

    Returns True if so: the command has then ended with that renewal's order as its result.
    """
    if not isinstance(asked, RenewCommand) or asked.again:
        return False
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
