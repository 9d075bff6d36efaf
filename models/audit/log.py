"""The log of what happened: one row a change, written in the transaction that makes it."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, func, select
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base


class Event(Base):
    """Who changed what, when and why. Rows are only ever added: a trigger refuses the rest."""

    __tablename__ = "event"
    __table_args__ = (Index("event_subject", "subject", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    type: Mapped[str]
    subject: Mapped[str]
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    who: Mapped[str]
    why: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class EventLink(Base):
    """An entry's place in the chain. Postgres writes it when the entry's transaction commits.

    `hash`: hex SHA-256 of the hash before it and of the entry (`models.audit.chain`).
    """

    __tablename__ = "event_link"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    hash: Mapped[str]


class EventHead(Base):
    """The end of the chain: one row, locked by each transaction that has entries, as its last act."""

    __tablename__ = "event_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]


def record(
    db: Session,
    kind: str,
    subject: str,
    *,
    who: str,
    why: str | None = None,
    command_id: str | None = None,
    **data: Any,
) -> None:
    """Write down one change. `data` has ids and public facts, never a secret."""
    db.add(Event(**entry(kind, subject, who=who, why=why, command_id=command_id, **data)))


def entry(
    kind: str,
    subject: str,
    *,
    who: str,
    why: str | None = None,
    command_id: str | None = None,
    **data: Any,
) -> dict[str, Any]:
    """One change as a row, where many are written down in one statement (`models.commands.bulk`)."""
    return {
        "type": kind,
        "subject": subject,
        "who": who,
        "why": why,
        "command_id": command_id,
        "data": data,
    }


def history(db: Session, subject: str) -> list[Event]:
    """Everything that happened to one subject, in order."""
    return list(db.scalars(select(Event).where(Event.subject == subject).order_by(Event.id)))
