"""Batches: many renewals requested at once, with a pace, and one row for each member.

A member gets its command only when its turn comes, so no message waits in a queue and pausing a batch needs no
recall.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Select,
    UniqueConstraint,
    case,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.commands.command import OPEN, Command
from certline.models.database.base import Base, DnsText, new_id, stored_by_value
from certline.models.orders.order import Order
from certline.models.states import CommandStatus, OrderKind, OrderStatus


class BatchStatus(StrEnum):
    """Status of a batch."""

    RUNNING = "running"
    PAUSED = "paused"  # no further member gets a command; those that have one continue
    DONE = "done"  # no member continues automatically any more


class MemberStatus(StrEnum):
    """Status of a member within its batch; see `State` for its renewal."""

    WAITING = "waiting"
    RELEASED = "released"  # it has its command
    REFUSED = "refused"  # it can't be renewed; nothing was sent
    CANCELLED = "cancelled"  # its batch was cancelled before its turn; nothing was sent


class State(StrEnum):
    """State of a member's renewal; for a released member it follows from its order and its command."""

    WAITING = "waiting"
    RUNNING = "running"
    RENEWED = "renewed"
    FAILED = "failed"
    REVIEW = "review"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class RenewalBatch(Base):
    """Many renewals requested at once; without `per_hour` they run as fast as the rate limits allow."""

    __tablename__ = "renewal_batch"
    __table_args__ = (CheckConstraint("per_hour > 0", name="pace_goes_forwards"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    status: Mapped[BatchStatus] = mapped_column(
        stored_by_value(BatchStatus), default=BatchStatus.RUNNING
    )
    # Which certificates, in the words of the request.
    selection: Mapped[str]
    per_hour: Mapped[int | None]
    reuse_key: Mapped[bool] = mapped_column(default=False)
    # The kind of the new keys; None: as before, or the nearest that the profile allows.
    key_algorithm: Mapped[str | None]
    key_size: Mapped[str | None]
    # When the next member is due, by the pace.
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    requested_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"RenewalBatch({self.id}, {self.status!s})"


class RenewalMember(Base):
    """A certificate of a batch. The row remains if the certificate is deleted."""

    __tablename__ = "renewal_member"
    __table_args__ = (
        UniqueConstraint("batch_id", "certificate_id"),
        Index(
            "renewal_member_waiting",
            "batch_id",
            "position",
            postgresql_where=text("status = 'waiting'"),
        ),
        # The batch that led to an order (`models.history`).
        Index(
            "renewal_member_by_command",
            "command_id",
            postgresql_where=text("command_id IS NOT NULL"),
        ),
        CheckConstraint(
            "(status = 'released') = (command_id IS NOT NULL)", name="released_with_its_command"
        ),
        CheckConstraint(
            "(status IN ('refused', 'cancelled')) = (reason IS NOT NULL)",
            name="given_up_with_a_reason",
        ),
    )

    batch_id: Mapped[str] = mapped_column(
        ForeignKey("renewal_batch.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # Copies rather than foreign keys, so that the row can outlive the certificate.
    certificate_id: Mapped[str]
    line_id: Mapped[str]
    common_name: Mapped[DnsText]
    status: Mapped[MemberStatus] = mapped_column(
        stored_by_value(MemberStatus), default=MemberStatus.WAITING
    )
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False), ForeignKey("command.id"))
    reason: Mapped[str | None]
    released_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Member:
    """A member with the state of its renewal.

    `ordered_anew`: its profile allows no renewal, so a new order was sent instead.
    """

    certificate_id: str
    common_name: str
    state: State
    command_id: str | None
    order_id: str | None
    successor_id: str | None
    ordered_anew: bool
    reason: str | None
    position: int = 0


@dataclass(frozen=True)
class Counts:
    """Counts of a batch's members by state."""

    waiting: int = 0
    running: int = 0
    renewed: int = 0
    failed: int = 0
    review: int = 0
    refused: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All members."""
        ended = self.renewed + self.failed + self.review + self.refused + self.cancelled
        return self.open + ended

    @property
    def open(self) -> int:
        """Members that continue automatically: waiting or running."""
        return self.waiting + self.running


# The first condition that applies wins: the member's own status, then its order's, then its command's.
_STATE = case(
    (RenewalMember.status == MemberStatus.WAITING, literal(State.WAITING.value)),
    (RenewalMember.status == MemberStatus.REFUSED, literal(State.REFUSED.value)),
    (RenewalMember.status == MemberStatus.CANCELLED, literal(State.CANCELLED.value)),
    (Order.status == OrderStatus.STORED, literal(State.RENEWED.value)),
    (
        Order.status.in_((OrderStatus.REJECTED, OrderStatus.CANCELLED)),
        literal(State.FAILED.value),
    ),
    (Order.status == OrderStatus.REVIEW, literal(State.REVIEW.value)),
    (Order.id.is_not(None), literal(State.RUNNING.value)),
    # Without an order: not placed yet, refused by a rule, or the order was deleted since.
    (Command.status.in_(OPEN), literal(State.RUNNING.value)),
    (Command.status == CommandStatus.REVIEW, literal(State.REVIEW.value)),
    else_=literal(State.FAILED.value),
)


def batches(db: Session) -> list[RenewalBatch]:
    """Load all batches, the newest first."""
    return list(db.scalars(select(RenewalBatch).order_by(RenewalBatch.id.desc())))


def members_of(
    db: Session,
    batch_id: str,
    states: Collection[State] = (),
    *,
    after: int = -1,
    most: int | None = None,
) -> list[Member]:
    """Load the members of a batch in the sequence of their turns; with `states`, only those in one of them.

    At most `most` of them, from the one after the position `after`.
    """
    columns = (
        RenewalMember.certificate_id,
        RenewalMember.common_name,
        _STATE,
        RenewalMember.command_id,
        Order.id,
        Order.certificate_id,
        Order.kind == OrderKind.NEW,
        func.coalesce(RenewalMember.reason, Order.error, Command.error),
        RenewalMember.position,
    )
    query = _joined(select(*columns)).where(
        RenewalMember.batch_id == batch_id, RenewalMember.position > after
    )
    if states:
        query = query.where(_STATE.in_([state.value for state in states]))
    return [
        Member(row[0], row[1], State(row[2]), row[3], row[4], row[5], bool(row[6]), row[7], row[8])
        for row in db.execute(query.order_by(RenewalMember.position).limit(most))
    ]


def batch_page(db: Session, *, after: str | None, limit: int) -> list[RenewalBatch]:
    """Load a page of batches, the newest first. `after`: the id of the last one before it."""
    query = select(RenewalBatch).order_by(RenewalBatch.id.desc()).limit(limit)
    return list(db.scalars(query if after is None else query.where(RenewalBatch.id < after)))


def counts_of(db: Session, batch_ids: Sequence[str]) -> dict[str, Counts]:
    """Return the counts of each batch's members, by the batch's id."""
    query = _joined(select(RenewalMember.batch_id, _STATE.label("state"), func.count()))
    query = query.where(RenewalMember.batch_id.in_(batch_ids))
    found: dict[str, dict[str, int]] = {batch_id: {} for batch_id in batch_ids}
    for batch_id, state, count in db.execute(query.group_by(RenewalMember.batch_id, "state")):
        found[batch_id][state] = count
    return {batch_id: Counts(**counts) for batch_id, counts in found.items()}


def ended_since(db: Session, batch_id: str, moment: datetime) -> int:
    """Return how many renewals of a batch have ended since `moment`: a measure of its present speed."""
    query = (
        select(func.count())
        .select_from(RenewalMember)
        .join(Command, Command.id == RenewalMember.command_id)
        .where(RenewalMember.batch_id == batch_id, Command.finished_at > moment)
    )
    return db.scalar(query) or 0


def _joined(question: Select[Any]) -> Select[Any]:
    # Outer joins: a member without a command, and a command without an order, count too. A renew command's
    # subject is its certificate until an order is placed, and then that order.
    return (
        question.select_from(RenewalMember)
        .outerjoin(Command, Command.id == RenewalMember.command_id)
        .outerjoin(Order, Order.id == Command.subject)
    )
