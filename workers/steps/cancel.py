"""Take back an order that SCM has not issued. It costs nothing and may be asked for twice.

What SCM would not decline is marked here, so that it is never fetched; whether SCM issues it all
the same is looked at until its record is at its end.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from certline.models import Command, CommandType, Order, OrderKind, OrderStatus
from certline.models.commands.payloads import CancelCommand
from certline.models.database.session import clock
from certline.models.lifecycle.moves import ask_now, move
from certline.models.orders.order import locked, order_known_as
from certline.models.validation import BadCommandError
from certline.workers.keys import chain as chains
from certline.workers.runtime.context import Line
from certline.workers.runtime.outcomes import MOST_TRIES, GiveUp, reading_scm
from certline.workers.runtime.step import Step, require_active
from certline.workers.scm import Details, NotReady, Refused, ScmClient, ScmStatus, TryAgain

# How long after its cancelling a reissue's certificate is looked for, where SCM isn't at it.
LOOK_FOR_A_REISSUE = timedelta(days=1)


@dataclass(frozen=True)
class Answer:
    """What SCM makes of it. `came`: it has issued it; `record`: as SCM shows it, where it was read."""

    declined: bool
    came: bool = False
    record: Details | None = None
    refusal: str = ""


def cancel(line: Line, command: Command) -> dict[str, Any] | None:
    """Cancel the command's order: here where SCM never had it, else as far as SCM allows it."""
    wanted = CancelCommand.model_validate(command.payload)
    try:
        with line.database.transaction() as db:
            order = order_to_cancel(db, wanted)
            db.get_one(Command, command.id).subject = order.id
            if cancel_unsent(db, command, order.id, wanted.comments):
                return seen(db.get_one(Order, order.id), declined=False)
            require_active(order.account)
    except BadCommandError as bad:
        raise GiveUp(str(bad)) from None

    with reading_scm(order.account, command.attempts, MOST_TRIES):
        answer = ask(line.scm(order.account), order, wanted.comments)
    if answer.came:
        line.store(lambda db: ask_now(db, [locked(db, order.id)]))
        raise GiveUp(
            f"SCM has issued {order.scm_id} already: when it is stored, certline certificate revoke"
        )
    return line.store(partial(_store, command=command, order_id=order.id, answer=answer))


def order_to_cancel(db: Session, wanted: CancelCommand) -> Order:
    """The order that is named. Raises BadCommandError where it isn't known, or is another account's."""
    order = order_known_as(db, wanted.order, wanted.account)
    if order is None:
        raise BadCommandError([f"order: {wanted.order!r} is not known"])
    if wanted.account not in (None, order.account.name):
        raise BadCommandError(
            [f"account: order {order.id} is of {order.account.name!r}, not {wanted.account!r}"]
        )
    return order


def cancel_unsent(db: Session, command: Command, order_id: str, comments: str) -> bool:
    """Take back an order that SCM has not heard of; False where SCM has to be asked.

    Raises BadCommandError for one that can't be cancelled as it stands.
    """
    order = locked(db, order_id)
    objection = _objection(order)
    if objection is not None:
        raise BadCommandError([f"order {order.id} {objection}"])
    if order.status is OrderStatus.PLACED:
        why = f"cancelled before it was sent: {comments}"
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requested_by)
    return order.status is OrderStatus.CANCELLED


def _objection(order: Order) -> str | None:
    match order.status:
        case OrderStatus.SENDING:
            return (
                "is being sent, or nobody knows whether SCM has it; it is looked up at SCM, and can be "
                "cancelled when that is known"
            )
        case OrderStatus.ISSUED | OrderStatus.HELD:
            return (
                f"is {order.status}: SCM has issued it. Once it is stored it can be revoked; "
                "certline order delete forgets it here only"
            )
        case OrderStatus.STORED:
            return f"is stored: certline certificate revoke {order.certificate_id}"
        case OrderStatus.REVIEW:
            return f"is in review: certline order resolve {order.id}"
        case OrderStatus.REJECTED:
            return "is rejected: there is nothing to cancel"
        case _:
            return None


def ask(scm: ScmClient, order: Order, comments: str) -> Answer:
    """Have SCM decline an order; where it refuses, its record says how the order stands.

    A reissue is only read: a decline would be about the certificate that it is made from.
    Raises ScmError.
    """
    number = order.scm_id or 0
    refusal = "a reissue can't be taken back at SCM"
    if order.kind is not OrderKind.REISSUE:
        try:
            scm.decline(number, comments)
        except TryAgain:
            raise
        except Refused as refused:
            refusal = str(refused)
        else:
            return Answer(declined=True)
    record = scm.details(number)
    came = came_after_all(scm, order, record)
    return Answer(declined=False, came=came, record=record, refusal=refusal)


def came_after_all(scm: ScmClient, order: Order, record: Details) -> bool:
    """Whether SCM has issued the order's certificate. Raises ScmError."""
    if order.kind is not OrderKind.REISSUE:
        return record.state.is_issued or record.state in (ScmStatus.REPLACED, ScmStatus.EXPIRED)
    try:  # its record is that of the certificate before it, so the key has to say
        found = chains.read_certificates(scm.collect(record.ssl_id))
    except (NotReady, chains.ChainError):
        return False
    return chains.has_key(found, order.public_key_sha256 or "")


def look_after(
    db: Session, order: Order, record: Details, wait: timedelta, *, came: bool
) -> timedelta | None:
    """Write down what SCM says of a cancelled order, locked by the caller; answers when to look
    again, or None where there is nothing more to come.
    """
    order.scm_status = record.status or order.scm_status
    order.polls += 1
    order.next_poll_at = None
    if came:
        why = (
            f"it was cancelled, and SCM has issued it as {order.scm_id} all the same: adopt it and "
            "revoke it, or leave it there"
        )
        move(db, order, OrderStatus.REVIEW, why=why)
        return None
    if record.state.is_refused or record.state is ScmStatus.REVOKED:
        return None
    cancelled_for = clock(db) - order.updated_at
    if (
        order.kind is OrderKind.REISSUE
        and not record.state.is_pending
        and cancelled_for > LOOK_FOR_A_REISSUE
    ):
        return None
    order.next_poll_at = clock(db, wait)
    return wait


def _store(db: Session, command: Command, order_id: str, answer: Answer) -> dict[str, Any]:
    order = locked(db, order_id)
    if order.status not in (OrderStatus.PENDING, OrderStatus.CANCELLED):
        raise GiveUp(f"order {order.id} is {order.status} meanwhile")
    if order.status is OrderStatus.PENDING:
        order.next_poll_at = None
        why = _why(order, command, answer)
        move(db, order, OrderStatus.CANCELLED, why=why, who=command.requested_by)
        # Until SCM's record is at its end: what is cancelled here may be issued there.
        ask_now(db, [order])
    return seen(order, declined=answer.declined)


def _why(order: Order, command: Command, answer: Answer) -> str:
    comments = command.payload["comments"]
    if answer.declined or answer.record is None:
        return f"declined at SCM: {comments}"
    order.scm_status = answer.record.status or order.scm_status
    if answer.record.state.is_refused:
        return f"cancelled, and SCM's status of {order.scm_id} is {order.scm_status}: {comments}"
    return (
        f"cancelled here only: {comments}. SCM still has {order.scm_id} ({order.scm_status}): "
        f"{answer.refusal}. It will not be fetched; if SCM issues it, a person decides"
    )


def seen(order: Order, *, declined: bool) -> dict[str, Any]:
    """What became of an order, as a command's result."""
    return {
        "order_id": order.id,
        "order_status": order.status.value,
        "scm_id": order.scm_id,
        "scm_status": order.scm_status,
        "declined": declined,
        "said": order.error,
    }


STEP = Step(CommandType.CANCEL, cancel)
