"""What was asked for: each order once at SCM and here, at its end or with its next step due."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from certline.models import Command, CommandStatus, CommandType, Event, Order, OrderStatus
from certline.models.commands.command import ENDED
from certline.models.commands.command import OPEN as OPEN_COMMANDS
from certline.models.states import OrderKind
from certline.models.vault import Vault
from tests.faults.aftermath import Expected, World

FINAL = frozenset({OrderStatus.STORED, OrderStatus.REJECTED, OrderStatus.CANCELLED})
# Before it, SCM surely has no record of the order; after it, surely one.
UNSENT = frozenset({OrderStatus.PLACED})
UNCLEAR = frozenset({OrderStatus.SENDING, OrderStatus.REVIEW})
# The kinds of orders that make a record at SCM; a reissue shares that of its predecessor.
ORDERED = (OrderKind.NEW, OrderKind.RENEWAL, OrderKind.IMPORT)

REVIEWED = f"order.{OrderStatus.REVIEW}"

# The step that an order in this state waits for.
NEXT = {OrderStatus.PENDING: CommandType.POLL, OrderStatus.ISSUED: CommandType.FETCH}


def orders_at_scm(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """One record at SCM for each order that was asked for, and no other."""
    asked = Counter(world.expected.names)
    # A renewal that its profile doesn't allow becomes a new order, and keeps its predecessor.
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
    """SCM made a certificate anew as often as we have a reissue of it."""
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
    """Whether it is the one of an order that rests; a second one of the same finds it taken."""
    mine = {reference for reference in unclear if reference in (record.get("comments") or "")}
    unclear -= mine
    return bool(mine)


def every_intent_is_final_or_due(db: Session, world: World, _vault: Vault) -> Iterator[str]:
    """Each order has come to its end, or rests where the test says so, and then its next step is due."""
    for order in db.scalars(select(Order)):
        if order.status in FINAL:
            continue
        if order.status not in world.expected.rests:
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
    """Whether a failure is one of the story: the order was refused, cancelled, deleted or issued
    before it could be cancelled, or was put before a person.
    """
    deleted = select(func.count()).where(
        Event.subject == command.subject, Event.type == "order.deleted"
    )
    if command.type is CommandType.CANCEL or db.scalar(deleted):
        return True
    query = select(Order).where(or_(Order.command_id == command.id, Order.id == command.subject))
    order = db.scalar(query)
    asked = select(func.count()).where(Event.subject == command.subject, Event.type == REVIEWED)
    over = (OrderStatus.REJECTED, OrderStatus.CANCELLED)
    return order is not None and (order.status in over or bool(db.scalar(asked)))


def _is_open(db: Session, step: CommandType | None, order_id: str) -> bool:
    query = select(func.count()).where(
        Command.subject == order_id, Command.status.in_(OPEN_COMMANDS)
    )
    return bool(db.scalar(query if step is None else query.where(Command.type == step)))


def _rests(db: Session, command: Command, expected: Expected) -> bool:
    """Whether a command waits for an order that may rest."""
    order = db.get(Order, command.subject or "")
    return order is not None and order.status in expected.rests
