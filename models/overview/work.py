"""Work under way: commands by queue, the outbox, and the orders that should move on."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session

from certline.models.commands.command import Command
from certline.models.commands.kinds import KINDS
from certline.models.events.outbox import Outbox, seconds_overdue
from certline.models.orders.order import Order
from certline.models.states import CommandStatus, OrderStatus, Queue

# Rows that one look counts at most: a longer backlog is shown as this number "or more".
MOST_COUNTED = 20_000
# Statuses in which an order waits for something; in the others nothing more happens to it.
MOVING = (
    OrderStatus.PLACED,
    OrderStatus.SENDING,
    OrderStatus.PENDING,
    OrderStatus.ISSUED,
    OrderStatus.HELD,
    OrderStatus.REVIEW,
)


@dataclass(frozen=True)
class QueueLoad:
    """Commands of a queue: due and not started, and under way; how many seconds the oldest due one has waited.

    A command is under way until its order or its import is: an order that SCM has not issued yet is one.
    """

    queue: Queue
    due: int = 0
    running: int = 0
    oldest_seconds: float | None = None


@dataclass(frozen=True)
class Backlog:
    """The load of each queue. `whole`: False if more than MOST_COUNTED commands are due or under way.

    The oldest are counted then, so a queue may have more than is said.
    """

    queues: tuple[QueueLoad, ...]
    whole: bool


@dataclass(frozen=True)
class OutboxLoad:
    """Messages that are due and not sent, for how many seconds the oldest is, and those that were parked."""

    due: int
    oldest_seconds: float
    parked: int


@dataclass(frozen=True)
class OrderLoad:
    """Orders in a status, and the seconds since the oldest of them was placed."""

    status: OrderStatus
    count: int = 0
    oldest_seconds: float | None = None


def backlog(db: Session, most: int = MOST_COUNTED) -> Backlog:
    """Count the commands that are due or under way, by queue; `most` of each at most, the oldest first."""
    due = (
        select(Command.type, Command.status, Command.not_before)
        .where(Command.status == CommandStatus.QUEUED, Command.not_before <= func.now())
        .order_by(Command.not_before)
        .limit(most)
    )
    running = (
        select(Command.type, Command.status, Command.not_before)
        .where(Command.status == CommandStatus.RUNNING)
        .order_by(Command.not_before)
        .limit(most)
    )
    rows = union_all(due.subquery().select(), running.subquery().select()).subquery()
    age = func.extract("epoch", func.now() - func.min(rows.c.not_before))
    query = select(rows.c.type, rows.c.status, func.count(), age)
    found = list(db.execute(query.group_by(rows.c.type, rows.c.status)))
    totals = {
        status: sum(row[2] for row in found if row[1] is status)
        for status in (CommandStatus.QUEUED, CommandStatus.RUNNING)
    }
    return Backlog(
        tuple(
            _load(queue, [row for row in found if KINDS[row[0]].queue is queue]) for queue in Queue
        ),
        whole=max(totals.values()) < most,
    )


def _load(queue: Queue, rows: Iterable[tuple[object, CommandStatus, int, float]]) -> QueueLoad:
    due = [(count, float(age)) for _, status, count, age in rows if status is CommandStatus.QUEUED]
    running = sum(count for _, status, count, _ in rows if status is CommandStatus.RUNNING)
    return QueueLoad(
        queue,
        due=sum(count for count, _ in due),
        running=running,
        oldest_seconds=max((age for _, age in due), default=None),
    )


def outbox_load(db: Session, most: int = MOST_COUNTED) -> OutboxLoad:
    """Count the messages that are due and those that were parked, `most` of each at most."""
    unsent = (Outbox.sent_at.is_(None), Outbox.parked_at.is_(None))
    due = select(Outbox.id).where(*unsent, Outbox.not_before <= func.now()).limit(most)
    parked = select(Outbox.id).where(Outbox.parked_at.is_not(None)).limit(most)
    counts = (select(func.count()).select_from(each.subquery()) for each in (due, parked))
    sent, put_aside = db.execute(select(*(each.scalar_subquery() for each in counts))).one()
    return OutboxLoad(due=sent, oldest_seconds=seconds_overdue(db), parked=put_aside)


def order_loads(db: Session) -> tuple[OrderLoad, ...]:
    """Count the orders in each of MOVING, with the age of the oldest."""
    # Ids sort by creation, so the index of statuses has both the count and the oldest.
    groups = (
        select(Order.status, func.count().label("count"), func.min(Order.id).label("oldest"))
        .where(Order.status.in_(MOVING))
        .group_by(Order.status)
        .subquery()
    )
    age = func.extract("epoch", func.now() - Order.created_at)
    query = select(groups.c.status, groups.c.count, age).join(Order, Order.id == groups.c.oldest)
    found = {
        status: OrderLoad(status, count, max(0.0, float(seconds)))
        for status, count, seconds in db.execute(query)
    }
    return tuple(found.get(status, OrderLoad(status)) for status in MOVING)
