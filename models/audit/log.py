"""Audit log: one entry per change, written in the transaction that makes the change."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import BigInteger, Index, Table, func, insert, select
from sqlalchemy import Identity as Generated
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.database.base import Base
from certline.models.database.bulk import write


class AuditEntry(Base):
    """Audit entry: who changed what, when and why. Append-only: a trigger refuses updates and deletions.

    `who`: the name of an `Identity`; `claimed`: the name that was only claimed, if any.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_subject", "subject", "id"),
        # `certline audit list` (`models.listing`): the filter's column, then the sort keys.
        Index("event_by_time", "at", "id"),
        Index("event_by_who", "who", "at", "id"),
        Index("event_by_type", "type", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Generated(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    type: Mapped[str]
    subject: Mapped[str]
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    who: Mapped[str]
    claimed: Mapped[str | None]
    why: Mapped[str | None]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AuditLink(Base):
    """Place of an audit entry in the hash chain. Postgres writes it when the entry's transaction commits.

    `seq`: the entry's number in its lane. `hash`: hex SHA-256 of the hash before it in the lane and of the entry
    (`models.audit.chain`).
    """

    __tablename__ = "event_link"

    lane: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    hash: Mapped[str]


class AuditHead(Base):
    """End of a lane of the hash chain; a transaction with entries locks one that is free as its last action."""

    __tablename__ = "event_head"
    # Each commit leaves a version of its row behind, for which there has to be room on the page.
    __table_args__ = ({"postgresql_with": {"fillfactor": "10"}},)

    lane: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]


# Built once: every step writes entries. `inline` asks for no generated id back.
_NEW_ENTRY = insert(cast("Table", AuditEntry.__table__)).inline()


def record(
    db: Session,
    kind: str,
    subject: str,
    *,
    who: Identity,
    why: str | None = None,
    command_id: str | None = None,
    **data: Any,
) -> None:
    """Add an audit entry for one change. `data` holds ids and public facts, never a secret."""
    add_entry(db, entry(kind, subject, who=who, why=why, command_id=command_id, **data))


def add_entry(db: Session, row: dict[str, Any]) -> None:
    """Add an audit entry that was made by `entry`."""
    write(db, _NEW_ENTRY, row)


def entry(
    kind: str,
    subject: str,
    *,
    who: Identity,
    why: str | None = None,
    command_id: str | None = None,
    **data: Any,
) -> dict[str, Any]:
    """Return an audit entry as a row, for inserting many in one statement (`models.commands.bulk`)."""
    return {
        "type": kind,
        "subject": subject,
        "who": who.name,
        "claimed": who.claimed,
        "why": why,
        "command_id": command_id,
        "data": data,
    }


def history(db: Session, subject: str) -> list[AuditEntry]:
    """Return the audit entries of one subject, the oldest first."""
    return list(
        db.scalars(select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id))
    )
