"""Backoff of a line whose renewals fail: after temporary failures it waits, after a refusal it needs an operator.

A stored successor clears the backoff, and so does a renewal by hand. Other lines are not affected.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import CheckConstraint, ForeignKey, Table, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base
from certline.models.database.session import clock

# Pauses after the first, second and third failure in a row; after more failures, DAILY.
PAUSES = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100))
DAILY = timedelta(days=1)


class LineBackoff(Base):
    """Backoff of a line whose last renewal failed; a line without a row renews when it is due."""

    __tablename__ = "line_backoff"
    __table_args__ = (
        CheckConstraint("failures > 0", name="counts_failures"),
        CheckConstraint(
            "waits_for_person = (next_try_at IS NULL)", name="waits_for_a_time_or_a_person"
        ),
    )

    line_id: Mapped[str] = mapped_column(
        ForeignKey("line.id", ondelete="CASCADE"), primary_key=True
    )
    failures: Mapped[int]
    next_try_at: Mapped[datetime | None]
    waits_for_person: Mapped[bool]
    reason: Mapped[str]
    failed_at: Mapped[datetime]


@dataclass(frozen=True)
class Backoff:
    """Failures in a row of a line's renewals, and what the next renewal waits for.

    `next_try_at` is None if nothing failed, or if the line waits for an operator.
    """

    failures: int = 0
    next_try_at: datetime | None = None
    waits_for_person: bool = False
    reason: str | None = None


def pause_after_failures(failures: int) -> timedelta:
    """Return the pause after that many failures in a row: 1, 10, 100 minutes, then a day."""
    return PAUSES[failures - 1] if 0 < failures <= len(PAUSES) else DAILY


def may_renew_automatically(backoff: Backoff, now: datetime) -> bool:
    """Return True if the line may be renewed automatically now."""
    if backoff.waits_for_person:
        return False
    return backoff.next_try_at is None or backoff.next_try_at <= now


def backoff_of(db: Session, line_ids: Collection[str]) -> dict[str, Backoff]:
    """Return the backoff of each line; an empty one for lines without failures."""
    rows = db.scalars(
        select(LineBackoff)
        .where(LineBackoff.line_id.in_(line_ids))
        .execution_options(populate_existing=True)
    )
    failed = {
        row.line_id: Backoff(row.failures, row.next_try_at, row.waits_for_person, row.reason)
        for row in rows
    }
    return {line_id: failed.get(line_id, Backoff()) for line_id in line_ids}


def renewal_failed(db: Session, line_id: str, *, permanent: bool, reason: str) -> Backoff:
    """Count a failed renewal of a line, and return the line's new backoff.

    `permanent`: another try can't succeed, so the line waits for an operator; later temporary failures don't
    change that.
    """
    now = clock(db)
    held = db.scalar(
        select(LineBackoff)
        .where(LineBackoff.line_id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    failures = 1 if held is None else held.failures + 1
    # Only an operator or a stored successor ends the wait for an operator.
    waits = permanent or (held is not None and held.waits_for_person)
    next_try_at = None if waits else now + pause_after_failures(failures)
    found = {
        "failures": failures,
        "next_try_at": next_try_at,
        "waits_for_person": waits,
        "reason": reason,
        "failed_at": now,
    }
    # The first failure of a line has no row that could be locked above: another transaction may insert
    # one first, which is then overwritten.
    db.execute(
        insert(LineBackoff)
        .values(line_id=line_id, **found)
        .on_conflict_do_update(index_elements=[LineBackoff.line_id], set_=found)
        # `held` is stale now and not used again; each query for a backoff has populate_existing.
        .execution_options(synchronize_session=False)
    )
    return Backoff(failures, next_try_at, waits, reason)


def renewal_worked(db: Session, line_id: str) -> None:
    """Clear the backoff of a line whose successor was stored."""
    _forget(db, line_id)


def reset_backoff(db: Session, line_id: str) -> bool:
    """Clear the backoff of a line that is renewed by hand. Returns True if there was one."""
    return _forget(db, line_id)


def _forget(db: Session, line_id: str) -> bool:
    # A stale object may stay in the session: each read of a backoff is a query, which no longer returns it.
    return db.connection().execute(_FORGETTING, {"of_line": line_id}).first() is not None


_BACKOFF = cast("Table", LineBackoff.__table__)
# Built once, because each stored successor runs it.
_FORGETTING = (
    delete(_BACKOFF).where(_BACKOFF.c.line_id == bindparam("of_line")).returning(_BACKOFF.c.line_id)
)
