"""The records of SCM's that an import meets, and what became of each.

What is stored is never asked for again, whoever dies meanwhile; and what an import still has to do
is in this table, never in a worker's memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, select, text, update
from sqlalchemy.dialects.postgresql import UUID
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value


class RecordStatus(StrEnum):
    """What became of a record of SCM's."""

    WAITING = "waiting"  # SCM is still to be asked
    KNOWN = "known"  # it is here already, and nothing about it has changed
    NEW = "new"  # it is not here, and was not asked for: only news of what is here were
    STORED = "stored"  # a new order, and its certificate is here
    HELD = "held"  # a new order, issued, and no licence is left
    PENDING = "pending"  # a new order that SCM has not issued yet, or that is still to be fetched
    CLOSED = "closed"  # a new order that is over: refused, expired, revoked, replaced
    UPDATED = "updated"  # it was here, and now says what SCM says
    LEFT = "left"  # an order of ours is on its way, and this may be it
    FAILED = "failed"  # SCM could not show it, or it could not be stored


class News(StrEnum):
    """What was done at SCM and not by us."""

    NEW = "new"
    REPLACED = "replaced"  # the same sslId has another certificate
    RENEWED = "renewed"
    REVOKED = "revoked"
    AUTO_RENEW = "auto_renew"  # SCM now renews it by itself


class ImportRecord(Base):
    """A record of SCM's as one import meets it."""

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
    # Failed tries to ask SCM for it.
    tries: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None]
    # SCM renews it by itself, as its list said in this import.
    auto_renew: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True)
class Outcome:
    """What became of one record, and what is new about it."""

    scm_id: int
    status: RecordStatus
    reason: str | None = None
    news: News | None = None


def listed_already(db: Session, command_id: str, ids: Iterable[int]) -> set[int]:
    """Those of the ids that this import has written down."""
    query = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id, ImportRecord.scm_id.in_(list(ids))
    )
    return set(db.scalars(query))


def asked_already(db: Session, command_id: str, ids: Iterable[int]) -> set[int]:
    """Those of the ids that this import has asked SCM for, or will."""
    query = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id,
        ImportRecord.scm_id.in_(list(ids)),
        ImportRecord.status != RecordStatus.KNOWN,
    )
    return set(db.scalars(query))


def waiting_in(db: Session, command_id: str, batch: int) -> list[int]:
    """The records of a batch that SCM is still to be asked for."""
    query = select(ImportRecord.scm_id).where(
        ImportRecord.command_id == command_id,
        ImportRecord.batch == batch,
        ImportRecord.status == RecordStatus.WAITING,
    )
    return list(db.scalars(query.order_by(ImportRecord.scm_id)))


def count_tries(db: Session, command_id: str, ids: Sequence[int]) -> dict[int, int]:
    """SCM could not show these just now: how often it couldn't."""
    counted = db.execute(
        update(ImportRecord)
        .where(ImportRecord.command_id == command_id, ImportRecord.scm_id.in_(ids))
        .values(tries=ImportRecord.tries + 1)
        .returning(ImportRecord.scm_id, ImportRecord.tries)
    )
    return {row.scm_id: row.tries for row in counted}


def failed_records(db: Session, command_id: str) -> list[ImportRecord]:
    """The records that an import could not take in, by sslId."""
    query = select(ImportRecord).where(
        ImportRecord.command_id == command_id, ImportRecord.status == RecordStatus.FAILED
    )
    return list(db.scalars(query.order_by(ImportRecord.scm_id)))
