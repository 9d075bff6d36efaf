"""Rows of SCM's report, kept for an import until it ends: they stand in for the details of new records."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, delete, exists, select, update
from sqlalchemy.dialects.postgresql import JSONB, UUID, insert
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from certline.models.database.base import Base


class ReportedRecord(Base):
    """Record at SCM as the report shows it. `facts`: what the import needs of it; None if some is missing."""

    __tablename__ = "import_reported"
    __table_args__ = (Index("import_reported_names", "command_id", "names_key"),)

    command_id: Mapped[str] = mapped_column(
        UUID(as_uuid=False), ForeignKey("command.id", ondelete="CASCADE"), primary_key=True
    )
    scm_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # Equal for records with the same names: the names themselves may be too long for an index.
    names_key: Mapped[int] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


@dataclass(frozen=True)
class Reported:
    """One row of the report."""

    scm_id: int
    names: frozenset[str]
    facts: dict[str, Any] | None


def keep_reported(db: Session, command_id: str, rows: Iterable[Reported]) -> None:
    """Store rows of the report; of a record that was reported before, the newer row counts."""
    newest = {row.scm_id: row for row in rows}
    if not newest:
        return
    fresh = insert(ReportedRecord)
    changed = {"names_key": fresh.excluded.names_key, "facts": fresh.excluded.facts}
    statement = fresh.on_conflict_do_update(
        index_elements=[ReportedRecord.command_id, ReportedRecord.scm_id], set_=changed
    )
    given = [
        {
            "command_id": command_id,
            "scm_id": row.scm_id,
            "names_key": names_key(row.names),
            "facts": row.facts,
        }
        for row in newest.values()
    ]
    db.connection().execute(statement, given)


def facts_reported(db: Session, command_id: str, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the facts of those records that the report shows in full, and that nothing it shows has renewed.

    The report doesn't say which record was renewed: it may be any with the names of a later one.
    """
    later = aliased(ReportedRecord)
    query = select(ReportedRecord.scm_id, ReportedRecord.facts).where(
        ReportedRecord.command_id == command_id,
        ReportedRecord.scm_id.in_(ids),
        ReportedRecord.facts.is_not(None),
        ~exists().where(
            later.command_id == command_id,
            later.names_key == ReportedRecord.names_key,
            later.scm_id > ReportedRecord.scm_id,
        ),
    )
    return {row.scm_id: row.facts for row in db.execute(query) if row.facts is not None}


def distrust(db: Session, command_id: str, ids: Collection[int]) -> None:
    """Drop the facts of these records, so that their details are read."""
    db.execute(
        update(ReportedRecord)
        .where(ReportedRecord.command_id == command_id, ReportedRecord.scm_id.in_(ids))
        .values(facts=None)
        .execution_options(synchronize_session=False)
    )


def has_report(db: Session, command_id: str) -> bool:
    """Return True if an import has rows of a report."""
    kept = exists().where(ReportedRecord.command_id == command_id)
    return bool(db.scalar(select(kept)))


def forget_report(db: Session, command_id: str) -> None:
    """Delete an import's rows of the report."""
    db.execute(
        delete(ReportedRecord)
        .where(ReportedRecord.command_id == command_id)
        .execution_options(synchronize_session=False)
    )


def names_key(names: Iterable[str]) -> int:
    """Return a number that is the same for the same names (lower case), in any order."""
    # Names contain no line break: they are those of hosts.
    digest = hashlib.sha256("\n".join(sorted(names)).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
