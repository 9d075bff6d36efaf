"""Deletion of an order, or of a certificate with its whole line, from our database only.

Private keys are destroyed with the rows; the audit log keeps who deleted what, and what SCM still has can be
imported again, without its key.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, exists, or_, select, text
from sqlalchemy.orm import Session

from certline.models.audit.log import record
from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import Line
from certline.models.commands.answers import Answer, answer_with, fail
from certline.models.commands.command import OPEN as OPEN_COMMANDS
from certline.models.commands.command import Command
from certline.models.database.session import clock
from certline.models.events.base import as_json
from certline.models.events.data import CertificateDeleted, OrderDeleted
from certline.models.events.outbox import emit_event
from certline.models.lifecycle.moves import order_facts, release_held
from certline.models.orders.order import Order
from certline.models.orders.private_key import PrivateKey
from certline.models.senders.ownership import owners_of
from certline.models.states import OPEN, CommandStatus, CommandType, OrderStatus
from certline.models.validation import BadCommandError

# A certificate and its order refer to each other: foreign keys are checked at the statement's end.
DELETE_LINE = text(
    """WITH gone AS (DELETE FROM certificate WHERE line_id = :line)
    DELETE FROM "order" WHERE id = ANY(:orders)"""
)


class StillOpenError(BadCommandError):
    """Error for orders that SCM may still issue; they are deleted only with `insist`."""

    def __init__(self, orders: Sequence[Order]) -> None:
        named = ", ".join(f"{order.id} ({order.status})" for order in orders)
        super().__init__(
            [
                (
                    f"open: {named}. SCM may still issue a certificate, and its key would be lost; "
                    "to cancel an order at SCM: certline order cancel"
                )
            ]
        )


def require_deletable(db: Session, found: Order | Certificate, *, insist: bool) -> None:
    """Check that an order, or a certificate with its line, can be deleted now.

    Raises BadCommandError if it can't, and StillOpenError if an order is open and `insist` is not set.
    """
    if isinstance(found, Certificate):
        _locked_to_delete(db, found.line_id, insist=insist)
    else:
        _locked_order(db, found.id, insist=insist)


def delete_order(db: Session, order: Order, command: Command, *, insist: bool) -> dict[str, Any]:
    """Delete an order without a certificate, and its private key. Returns the facts about it.

    Raises BadCommandError if the order has a certificate or is being sent, and StillOpenError if it is
    open and `insist` is not set.
    """
    order = _locked_order(db, order.id, insist=insist)
    event = OrderDeleted(**order_facts(order), status=order.status, certificate_id=None)
    facts = {
        "order_id": order.id,
        "scm_id": order.scm_id,
        "common_name": order.common_name,
        "status": order.status.value,
    }
    line_id, keys = order.line_id, {order.key_id} - {None}
    whom = owners_of(db, [order.id])[order.id]
    _end_commands(db, [order], [])
    db.execute(delete(Order).where(Order.id == order.id))
    _destroy(db, keys)
    _record(db, "order.deleted", order.id, command, facts)
    answer_with(db, command, Answer(event, order.id), senders=whom)
    if line_id is not None and not _is_used(db, line_id):
        _close(db, line_id)
    return {**facts, "keys_destroyed": len(keys)}


def delete_line(
    db: Session, certificate: Certificate, command: Command, *, insist: bool
) -> dict[str, Any]:
    """Delete a certificate with its whole line: all versions, their orders and keys. Returns what was deleted.

    The line's licence becomes free, so the oldest held order is released. Raises BadCommandError if an
    order is being sent or a revocation is open, and StillOpenError if an order is open and `insist` is not set.
    """
    line_id = certificate.line_id
    orders, versions = _locked_to_delete(db, line_id, insist=insist)
    keys = {order.key_id for order in orders} | {version.key_id for version in versions}
    keys -= {None}
    owners = owners_of(db, [order.id for order in orders])
    _end_commands(db, orders, versions)
    db.flush()
    db.execute(DELETE_LINE, {"line": line_id, "orders": [order.id for order in orders]})
    _destroy(db, keys)
    for version in versions:
        named = version.id == certificate.id
        whom = owners.get(version.order_id, set())
        _emit_deleted(db, version, line_id, command, is_answer=named, senders=whom)
    for order in orders:
        facts = {"order_id": order.id, "scm_id": order.scm_id, "common_name": order.common_name}
        _record(db, "order.deleted", order.id, command, facts)
    _close(db, line_id)
    return {
        "line_id": line_id,
        "common_name": certificate.common_name,
        "certificates": [version.id for version in versions],
        "orders": [order.id for order in orders],
        "keys_destroyed": len(keys),
    }


def _locked_order(db: Session, order_id: str, *, insist: bool) -> Order:
    """Lock and return an order that can be deleted. Raises BadCommandError and StillOpenError."""
    order = next(iter(_locked(db, Order.id == order_id)), None)
    if order is None:
        raise BadCommandError([f"order: {order_id!r} is not known; it has just been deleted"])
    if order.certificate_id is not None:
        raise BadCommandError(
            [
                f"order {order.id} is {order.status}; use certline certificate delete {order.certificate_id}"
            ]
        )
    _require_deletable([order], insist=insist)
    _require_no_revocation(db, [order.id])
    return order


def _locked_to_delete(
    db: Session, line_id: str, *, insist: bool
) -> tuple[Sequence[Order], Sequence[Certificate]]:
    """Lock and return the orders and certificates of a line that can be deleted.

    Raises BadCommandError and StillOpenError.
    """
    orders, versions = _locked_line(db, line_id)
    if not versions:
        raise BadCommandError(["certificate: it is not known; it has just been deleted"])
    _require_deletable(orders, insist=insist)
    subjects = [*(order.id for order in orders), *(version.id for version in versions)]
    _require_no_revocation(db, subjects)
    return orders, versions


def _locked_line(db: Session, line_id: str) -> tuple[Sequence[Order], Sequence[Certificate]]:
    """Lock a line with its orders and certificates, and return these."""
    own = select(Certificate.order_id).where(Certificate.line_id == line_id)
    of_line = or_(Order.line_id == line_id, Order.id.in_(own))
    # Before the line, so that a step that works on one of the orders ends first.
    _locked(db, of_line)
    # With the line locked, no successor can be placed; the orders are read again to see one placed before.
    db.execute(select(Line.id).where(Line.id == line_id).with_for_update(key_share=True))
    orders = _locked(db, of_line)
    versions = select(Certificate).where(Certificate.line_id == line_id).with_for_update()
    return orders, db.scalars(versions).all()


def _locked(db: Session, which: Any) -> Sequence[Order]:
    """Lock orders and return them as they are now. Sorted by id, so that two transactions do not deadlock."""
    query = select(Order).where(which).order_by(Order.id).with_for_update(of=Order)
    return db.scalars(query.execution_options(populate_existing=True)).all()


def _require_deletable(orders: Sequence[Order], *, insist: bool) -> None:
    for order in orders:
        if order.status is OrderStatus.SENDING:
            raise BadCommandError(
                [
                    (
                        f"order {order.id} is being sent, or its outcome at SCM is unknown: its key may be "
                        "needed. certline is looking it up at SCM; delete it once the outcome is known"
                    )
                ]
            )
    still_open = [order for order in orders if order.status in OPEN]
    if still_open and not insist:
        raise StillOpenError(still_open)


def _require_no_revocation(db: Session, subjects: Sequence[str]) -> None:
    going = db.scalars(
        select(Command).where(
            Command.type == CommandType.REVOKE,
            Command.subject.in_(subjects),
            Command.status.in_((*OPEN_COMMANDS, CommandStatus.REVIEW)),
        )
    ).first()
    if going is not None:
        raise BadCommandError(
            [
                (
                    f"a revocation of {going.subject} is in progress (command {going.id}, {going.status}) and "
                    "needs it; delete it once the revocation has ended"
                )
            ]
        )


def _end_commands(db: Session, orders: Sequence[Order], versions: Sequence[Certificate]) -> None:
    """Fail the unfinished commands about the deleted orders and certificates."""
    subjects = [*(order.id for order in orders), *(version.id for version in versions)]
    own = [order.command_id for order in orders if order.command_id is not None]
    query = select(Command).where(
        or_(Command.subject.in_(subjects), Command.id.in_(own)),
        Command.status.in_((*OPEN_COMMANDS, CommandStatus.HELD, CommandStatus.REVIEW)),
        Command.type != CommandType.DELETE,  # the running deletion itself
    )
    for command in db.scalars(query.with_for_update()):
        fail(db, command, "its order or certificate was deleted")


def _destroy(db: Session, keys: set[str | None]) -> None:
    """Delete private keys, except those that another order or certificate still uses."""
    db.execute(
        delete(PrivateKey).where(
            PrivateKey.id.in_(keys),
            ~exists().where(Order.key_id == PrivateKey.id),
            ~exists().where(Certificate.key_id == PrivateKey.id),
        )
    )


def _emit_deleted(
    db: Session,
    version: Certificate,
    line_id: str,
    command: Command,
    *,
    is_answer: bool,
    senders: set[str],
) -> None:
    """Write the audit entry and the event of a deleted certificate.

    `is_answer`: the command named this version. The events of the others have no correlation id, so that a command
    has one answer. `senders`: whose it was.
    """
    event = CertificateDeleted(
        certificate_id=version.id,
        line_id=line_id,
        scm_id=version.scm_id,
        common_name=version.common_name,
        serial_number=version.serial_number,
        sha256_fingerprint=version.sha256_fingerprint,
        status=version.status,
    )
    _record(db, "certificate.deleted", version.id, command, as_json(event))
    correlation_id = command.correlation_id if is_answer else None
    emit_event(db, event, subject=version.id, correlation_id=correlation_id, senders=senders)


def _record(db: Session, kind: str, subject: str, command: Command, facts: dict[str, Any]) -> None:
    why = command.payload.get("comments")
    record(db, kind, subject, who=command.requester, why=why, command_id=command.id, **facts)


def _is_used(db: Session, line_id: str) -> bool:
    certificates = select(Certificate.id).where(Certificate.line_id == line_id)
    orders = select(Order.id).where(Order.line_id == line_id)
    return db.scalars(certificates.union(orders).limit(1)).first() is not None


def _close(db: Session, line_id: str) -> None:
    """Mark the line as deleted, so that it no longer counts, and release held orders."""
    db.get_one(Line, line_id, with_for_update={"key_share": True}).deleted_at = clock(db)
    release_held(db, why="a line was deleted")
