"""Checks of intents: each order is once at SCM and once in our database, final or with its next step due."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from certline.models import (
    Approval,
    AuditEntry,
    Command,
    CommandStatus,
    CommandType,
    Order,
    OrderStatus,
)
from certline.models.commands.command import ENDED
from certline.models.commands.command import OPEN as OPEN_COMMANDS
from certline.models.states import OrderKind
from certline.models.vault import Vault
from tests.faults.invariants.types import Expected, World

FINAL = frozenset({OrderStatus.STORED, OrderStatus.REJECTED, OrderStatus.CANCELLED})
# UNSENT: SCM surely has no record of the order. UNCLEAR: it may have one. Other statuses: it surely has one.
UNSENT = frozenset({OrderStatus.PLACED})
UNCLEAR = frozenset({OrderStatus.SENDING, OrderStatus.REVIEW})
# The kinds of orders that make a record at SCM; a reissue shares that of its predecessor.
ORDERED = (OrderKind.NEW, OrderKind.RENEWAL, OrderKind.IMPORT)

REVIEWED = f"order.{OrderStatus.REVIEW}"

# The step that an order of this status waits for.
NEXT = {OrderStatus.PENDING: CommandType.POLL, OrderStatus.ISSUED: CommandType.FETCH}


def orders_at_scm(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that SCM has one record for each order placed, and no others."""
    asked = Counter(world.expected.names)
    # A renewal that its profile doesn't allow becomes a new order with a predecessor: the test did not place it.
    ours = select(Order).where(Order.kind == OrderKind.NEW, Order.predecessor_id.is_(None))
    placed = Counter(order.common_name for order in db.scalars(ours))
    for name in sorted(set(asked) | set(placed)):
        if placed[name] != asked[name]:
            yield f"{name} was asked for {asked[name]} times and placed {placed[name]} times"
    owners = Counter(
        order.scm_id
        for order in db.scalars(select(Order).where(Order.kind.in_(ORDERED)))
        if order.scm_id is not None
    )
    unclear = _unclear_references(db)
    for record in world.at_scm:
        owned = owners.pop(record["sslId"], 0)
        story = f"SCM's order {record['sslId']} ({record['commonName']}, {record.get('comments')})"
        if owned > 1:
            yield f"{story} belongs to {owned} orders of ours"
        elif not owned and not _may_be_there(record, unclear):
            yield f"{story} is one too many: no order of ours knows it"
    for scm_id in owners:
        yield f"SCM has no order {scm_id}, which one of ours says it has"
    names = {record["sslId"]: record["commonName"] for record in world.at_scm}
    for order in db.scalars(select(Order).where(Order.kind.in_(ORDERED))):
        if order.scm_id in names and names[order.scm_id] != order.common_name:
            yield f"SCM's order {order.scm_id} is for {names[order.scm_id]}, ours for {order.common_name}"


def each_reissue_is_one_replacement(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that SCM replaced each certificate as often as we have reissues of it."""
    reissues = list(db.scalars(select(Order).where(Order.kind == OrderKind.REISSUE)))
    done = Counter(order.scm_id for order in reissues if order.status not in UNCLEAR | UNSENT)
    for record in world.at_scm:
        number, made = record["sslId"], record.get("replacements", 0)
        if made != done[number] and not any(order.status in UNCLEAR for order in reissues):
            yield f"SCM replaced {number} {made} times, and {done[number]} reissues of ours did"


def _unclear_references(db: Session) -> set[str]:
    resting = db.scalars(select(Order).where(Order.status.in_(UNCLEAR)))
    return {order.reference for order in resting}


def _may_be_there(record: dict[str, Any], unclear: set[str]) -> bool:
    """Return True if the record's reference is that of an unclear order; each of these explains one record."""
    mine = {reference for reference in unclear if reference in (record.get("comments") or "")}
    unclear -= mine
    return bool(mine)


def every_intent_is_final_or_due(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Check that orders and commands are final, or rest as the test allows, with the next step open."""
    for order in db.scalars(select(Order)):
        if order.status in FINAL:
            continue
        if not _may_rest(db, order, world.expected):
            yield f"order {order.id} ({order.common_name}) is {order.status}: {order.error}"
        step = NEXT.get(order.status)
        if step is not None and not _is_open(db, step, order.id):
            yield f"order {order.id} is {order.status}, and no {step} is on its way"
        if order.status is OrderStatus.PLACED and not _is_open(db, None, order.id):
            yield f"order {order.id} is placed, and its command will not send it"
    for command in db.scalars(select(Command).where(Command.status.not_in(ENDED))):
        if not _rests(db, command, world.expected):
            yield f"{command.type} {command.id} is still {command.status}: {command.error}"
    for command in db.scalars(select(Command).where(Command.status == CommandStatus.FAILED)):
        if not _may_fail(db, command):
            yield f"{command.type} {command.id} has failed: {command.error}"


def _may_fail(db: Session, command: Command) -> bool:
    """Return True if the failure is expected: it is a cancelling, or was declined, or a person has cancelled its
    validation, or the order was rejected, cancelled, deleted or in review.
    """
    approval = db.get(Approval, command.id)
    if approval is not None and approval.approved is False:
        return True
    if command.type is CommandType.VALIDATE and (command.error or "").startswith("cancelled by "):
        return True
    deleted = select(func.count()).where(
        AuditEntry.subject == command.subject, AuditEntry.type == "order.deleted"
    )
    if command.type is CommandType.CANCEL or db.scalar(deleted):
        return True
    query = select(Order).where(or_(Order.command_id == command.id, Order.id == command.subject))
    order = db.scalar(query)
    asked = select(func.count()).where(
        AuditEntry.subject == command.subject, AuditEntry.type == REVIEWED
    )
    over = (OrderStatus.REJECTED, OrderStatus.CANCELLED)
    return order is not None and (order.status in over or bool(db.scalar(asked)))


def _is_open(db: Session, step: CommandType | None, order_id: str) -> bool:
    query = select(func.count()).where(
        Command.subject == order_id, Command.status.in_(OPEN_COMMANDS)
    )
    return bool(db.scalar(query if step is None else query.where(Command.type == step)))


def _rests(db: Session, command: Command, expected: Expected) -> bool:
    """Return True if the command is about an order that may rest in its status."""
    order = db.get(Order, command.subject or "")
    return order is not None and _may_rest(db, order, expected)


def _may_rest(db: Session, order: Order, expected: Expected) -> bool:
    """Return True if the test allows the order's status, or a person has to decide by design: SCM would not
    decline the order, and has issued it after it was cancelled here.
    """
    cancelled = select(func.count()).where(
        Command.subject == order.id,
        Command.type == CommandType.CANCEL,
        Command.status == CommandStatus.DONE,
    )
    issued_anyway = order.status is OrderStatus.REVIEW and bool(db.scalar(cancelled))
    return issued_anyway or order.status in expected.rests
