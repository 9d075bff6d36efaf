"""Senders: the other systems from which commands are taken, each known by its user of RabbitMQ."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ColumnElement, Index, func, or_, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.commands.admission import LEGACY
from certline.models.commands.command import Command
from certline.models.database.base import Base, stored_by_value
from certline.models.states import CommandType

# What a sender may send unless the operator names commands.
USUAL_COMMANDS = (
    CommandType.ORDER.value,
    CommandType.RENEW.value,
    CommandType.REISSUE.value,
    CommandType.POLL.value,
    CommandType.CANCEL.value,
)


class SenderKind(StrEnum):
    """How a sender is recognised."""

    USER = (
        "user"  # by the property `user_id`, which RabbitMQ compares with the user of the connection
    )
    WORK_QUEUES = "work-queues"  # it wrote a whole command to a work queue, in Dramatiq's format
    LEGACY = "legacy"  # any user without a sender of its own


class Sender(Base):
    """Other system that may send commands. Empty lists of accounts, organisations or names don't restrict.

    Its name is stored with each command that it sends (`Command.sender`), so what it ordered remains its own if
    it is removed and added again.
    """

    __tablename__ = "sender"
    __table_args__ = (
        CheckConstraint("(kind = 'user') = (amqp_user IS NOT NULL)", name="known_by_its_user"),
        # One of each of the other kinds, since nothing tells two of them apart.
        Index("sender_one_of_a_kind", "kind", unique=True, postgresql_where=text("kind <> 'user'")),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[SenderKind] = mapped_column(stored_by_value(SenderKind), default=SenderKind.USER)
    amqp_user: Mapped[str | None] = mapped_column(unique=True)
    commands: Mapped[list[str]]
    # Names of accounts; names or ids of organisations; patterns of host names (`models.senders.names`).
    accounts: Mapped[list[str]] = mapped_column(default=list)
    organizations: Mapped[list[str]] = mapped_column(default=list)
    names: Mapped[list[str]] = mapped_column(default=list)
    # Commands about existing orders and certificates are taken only for those that the sender has ordered.
    own_only: Mapped[bool] = mapped_column(default=True)
    added_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    @property
    def limited(self) -> bool:
        """True if what a command is about matters, not only which command it is."""
        return self.own_only or bool(self.accounts or self.organizations or self.names)

    def __repr__(self) -> str:
        return f"Sender({self.name!r}, {self.kind!s})"


def sender_with_user(db: Session, user: str | None) -> Sender | None:
    """Return the sender of a message that RabbitMQ says `user` has sent, or None if it is not known.

    A message without a user is the legacy sender's while there is no other sender: after that, it might be
    anybody's, also that of a sender with fewer rights.
    """
    query = select(Sender).where((Sender.amqp_user == user) | (Sender.kind == SenderKind.LEGACY))
    found = {sender.kind: sender for sender in db.scalars(query)}
    return found.get(SenderKind.USER) or _legacy(db, found, named=user is not None)


def sender_at_work_queues(db: Session) -> Sender | None:
    """Return the sender of a whole command that arrived on a work queue, or None if none may send it there.

    RabbitMQ's user is not known there: Dramatiq drops the property, and each retry is published by a worker.
    """
    others = select(Sender).where(Sender.kind != SenderKind.USER)
    found = {sender.kind: sender for sender in db.scalars(others)}
    return found.get(SenderKind.WORK_QUEUES) or _legacy(db, found, named=False)


def _legacy(db: Session, found: dict[SenderKind, Sender], *, named: bool) -> Sender | None:
    legacy = found.get(SenderKind.LEGACY)
    if legacy is None or named:
        return legacy
    return None if len(senders(db)) > 1 else legacy


def senders(db: Session) -> list[Sender]:
    """Return all senders by name."""
    return list(db.scalars(select(Sender).order_by(Sender.name)))


def sender_named(db: Session, name: str) -> Sender | None:
    """Return the sender of that name, or None."""
    return db.get(Sender, name)


def adopt(db: Session, sender: Sender, sources: Sequence[str]) -> int:
    """Make commands of the legacy sender those of a sender. Returns how many.

    Those are the commands that came from the sender's user of RabbitMQ, and those with one of these CloudEvents
    `source`s, which nobody verified at the time.
    """
    his: list[ColumnElement[bool]] = [Command.source.in_(sources)]
    if sender.amqp_user is not None:
        # The user alone was recorded before names had namespaces.
        known = (sender.amqp_user, f"amqp:{sender.amqp_user}")
        his.append((Command.requested_by != Command.source) & Command.requested_by.in_(known))
    moved = db.execute(
        update(Command).where(Command.sender == LEGACY, or_(*his)).values(sender=sender.name)
    )
    count: int = moved.rowcount  # type: ignore[attr-defined]
    return count
