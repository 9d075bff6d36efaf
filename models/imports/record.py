"""Records at SCM that an import processes, and the outcome of each.

The remaining work of an import is in this table and not in a worker's memory, so that after a crash no record
that is already stored is requested again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value


class RecordStatus(StrEnum):
    """Status of a record within an import."""

    WAITING = "waiting"  # still to be requested from SCM
    KNOWN = "known"  # stored already, and unchanged
    NEW = "new"  # not stored, and not requested: the import checks stored orders only
    STORED = "stored"  # a new order, with its certificate stored
    HELD = "held"  # a new order, issued, but no licence is free
    PENDING = "pending"  # a new order, not issued yet or still to be fetched
    CLOSED = "closed"  # a new order that has ended: rejected, expired, revoked or replaced
    UPDATED = "updated"  # stored before; updated to SCM's data
    LEFT = "left"  # skipped: may be an order of ours that is being placed
    FAILED = "failed"  # SCM could not return it, or it could not be stored


class News(StrEnum):
    """Kind of change made at SCM and not by us (drift)."""

    NEW = "new"
    REPLACED = "replaced"  # the same sslId, with another certificate
    RENEWED = "renewed"
    REVOKED = "revoked"
    AUTO_RENEW = "auto_renew"  # SCM now renews it automatically


class ImportRecord(Base):
    """Record at SCM as processed by one import."""

    __tablename__ = "import_record"
    __table_args__ = (
        Index(
            "import_record_waiting",
            "command_id",
            "batch",
            postgresql_where=text("status = 'waiting'"),
        ),
    )

    command_id: Mapped[str] = mapped_column(
        UUID(as_uuid=False), ForeignKey("command.id", ondelete="CASCADE"), primary_key=True
    )
    scm_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    batch: Mapped[int | None]
    status: Mapped[RecordStatus] = mapped_column(stored_by_value(RecordStatus))
    # Failed attempts to request it from SCM.
    tries: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None]
    # SCM renews it automatically, according to the list read in this import.
    auto_renew: Mapped[bool] = mapped_column(default=False)
    # What SCM's report says about it, if that stands in for its details.
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


@dataclass(frozen=True)
class Outcome:
    """Outcome of one record, and the drift found, if any."""

    scm_id: int
    status: RecordStatus
    reason: str | None = None
    news: News | None = None


def listed_already(db: Session, command_id: str, ids: Iterable[int]) -> set[int]:
    """Return those of the SCM ids that this import has recorded already."""
    query = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id, ImportRecord.scm_id.in_(list(ids))
    )
    return set(db.scalars(query))


def asked_already(db: Session, command_id: str, ids: Iterable[int]) -> set[int]:
    """Return those of the SCM ids whose details this import has requested from SCM, or will request."""
    query = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id,
        ImportRecord.scm_id.in_(list(ids)),
        ImportRecord.status != RecordStatus.KNOWN,
        ImportRecord.facts.is_(None),
    )
    return set(db.scalars(query))


def waiting_in(db: Session, command_id: str, batch: int) -> dict[int, dict[str, Any] | None]:
    """Return the records of a batch that are still to be read: their facts by SCM id, in ascending order."""
    query = select(ImportRecord.scm_id, ImportRecord.facts).where(
        ImportRecord.command_id == command_id,
        ImportRecord.batch == batch,
        ImportRecord.status == RecordStatus.WAITING,
    )
    return {row.scm_id: row.facts for row in db.execute(query.order_by(ImportRecord.scm_id))}


def drop_facts(db: Session, command_id: str, ids: Iterable[int]) -> None:
    """Drop the report's facts of these records, so that their details are read."""
    db.execute(
        update(ImportRecord)
        .where(ImportRecord.command_id == command_id, ImportRecord.scm_id.in_(list(ids)))
        .values(facts=None)
        .execution_options(synchronize_session=False)
    )


def count_tries(db: Session, command_id: str, ids: Sequence[int]) -> dict[int, int]:
    """Count one more failed attempt for each of these records. Returns the attempts by SCM id."""
    counted = db.execute(
        update(ImportRecord)
        .where(ImportRecord.command_id == command_id, ImportRecord.scm_id.in_(ids))
        .values(tries=ImportRecord.tries + 1)
        .returning(ImportRecord.scm_id, ImportRecord.tries)
    )
    return {row.scm_id: row.tries for row in counted}


def failed_records(db: Session, command_id: str) -> list[ImportRecord]:
    """Return the records that failed in an import, by sslId."""
    query = select(ImportRecord).where(
        ImportRecord.command_id == command_id, ImportRecord.status == RecordStatus.FAILED
    )
    return list(db.scalars(query.order_by(ImportRecord.scm_id)))
