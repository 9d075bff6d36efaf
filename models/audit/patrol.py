"""The patrol of the audit log: its hash chain is verified all the time, a piece at a time.

`certline audit verify` checks all of the log at once. The patrol is for those who don't type it: a producer checks
the stored end of each lane, and the next piece of one lane, and begins again after the last. A break is remembered
until a whole round has found none.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.chain import piece_of, wrong_ends
from certline.models.audit.head import hash_before_lane
from certline.models.audit.log import AuditHead
from certline.models.database.base import Base

# Links that are checked at a time: 20 ms of CPU.
MOST = 2_000
# Migration 0032 inserts the row, and nothing of certline deletes it.
MISSING = "the record of the audit log's patrol was deleted (table event_patrol)"


class AuditPatrol(Base):
    """Progress of the patrol, and what it has found: a single row.

    `lane`, `seq`, `hash`: the last link that was checked. `broken`: the first break that was found, in words;
    `clean`: whether this round has found none. `rounds`: how many are complete.
    """

    __tablename__ = "event_patrol"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lane: Mapped[int] = mapped_column(default=0)
    seq: Mapped[int] = mapped_column(BigInteger, default=0)
    hash: Mapped[str]
    broken: Mapped[str | None]
    clean: Mapped[bool] = mapped_column(default=True)
    rounds: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[datetime] = mapped_column(server_default=func.now())


@dataclass(frozen=True)
class PatrolState:
    """How far the audit log is verified.

    `entries`: all of its entries; `verified`: how many of them the patrol has checked in its present round, after
    `rounds` complete ones; `checked_at`: when it last checked some; `broken`: the break that it knows of, or None.
    """

    entries: int
    verified: int
    rounds: int
    checked_at: datetime
    broken: str | None


def patrol_state(db: Session) -> PatrolState | None:
    """Return how far the patrol is; None if its record was deleted, which is a break (MISSING)."""
    row = db.scalars(select(AuditPatrol)).first()
    if row is None:
        return None
    ends = {end.lane: end.seq for end in db.scalars(select(AuditHead))}
    before = sum(seq for lane, seq in ends.items() if lane < row.lane)
    return PatrolState(
        entries=sum(ends.values()),
        verified=before + row.seq,
        rounds=row.rounds,
        checked_at=row.checked_at,
        broken=row.broken,
    )


def found_broken(db: Session) -> str | None:
    """Return the break that the patrol has found, in words, or None. That it was removed itself is one."""
    row = db.execute(select(AuditPatrol.broken)).first()
    return MISSING if row is None else row[0]


def patrol(db: Session, most: int = MOST) -> str | None:
    """Check the next `most` links, and the ends of all lanes. Returns a break that was not known before, in words.

    Does nothing if another process is checking.
    """
    row = db.scalars(select(AuditPatrol).with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    piece = piece_of(db, row.lane, row.seq, row.hash, most)
    found = piece.broken or wrong_ends(db)
    news = found is not None and row.broken is None
    if found is not None:
        row.clean, row.broken = False, row.broken or found
    row.checked_at = func.clock_timestamp()
    row.seq, row.hash = piece.seq, piece.hash
    if piece.links < most:
        _begin_next_lane(db, row)
    return found if news else None


def _begin_next_lane(db: Session, row: AuditPatrol) -> None:
    following = db.scalar(select(func.min(AuditHead.lane)).where(AuditHead.lane > row.lane))
    if following is None:  # the round is complete
        following = 0
        row.rounds += 1
        if row.clean:
            row.broken = None
        row.clean = True
    row.lane, row.seq, row.hash = following, 0, hash_before_lane(following)
