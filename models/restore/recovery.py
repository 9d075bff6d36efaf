"""Recovery: what the line does after its database was restored, until SCM was compared with it.

One row says whether a recovery is in progress. While it is, no claim of an order succeeds (`settled`), so nothing
that costs money is sent to SCM; reading, polling and fetching go on.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, exists, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value

# `Command.source` of the imports by which a recovery compares SCM with the database.
RECOVERY_SOURCE = "recovery"


class RecoveryPhase(StrEnum):
    """Phase of a recovery."""

    SETTLED = "settled"  # no recovery is in progress
    NOTICED = "noticed"  # the restore is noted, and nothing else done yet
    WAITING = "waiting"  # until what was on its way to SCM has arrived there
    COMPARING = "comparing"  # SCM's lists are read
    FETCHING = "fetching"  # certificates that were found are collected


class Recovery(Base):
    """The one row about restores: the database's identity, and the recovery in progress or the last one.

    `number`: how many recoveries there were. `known_until`: the last moment that the database surely knows of.
    `compares_at`: when SCM's lists are read. `result`: what the last recovery found.
    """

    __tablename__ = "recovery"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cluster: Mapped[str | None]
    timeline: Mapped[int | None]
    database: Mapped[int | None] = mapped_column(BigInteger)
    phase: Mapped[RecoveryPhase] = mapped_column(stored_by_value(RecoveryPhase))
    number: Mapped[int] = mapped_column(default=0)
    why: Mapped[str | None]
    noticed_at: Mapped[datetime | None]
    known_until: Mapped[datetime | None]
    compares_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]

    @property
    def in_progress(self) -> bool:
        """True until the recovery has ended or was accepted."""
        return self.phase is not RecoveryPhase.SETTLED


def settled() -> ColumnElement[bool]:
    """Return the condition of a statement that sends something to SCM: no recovery is in progress."""
    return exists().where(Recovery.id == 1, Recovery.phase == RecoveryPhase.SETTLED)


def recovering(db: Session) -> bool:
    """Return True while a recovery is in progress."""
    return not db.scalar(select(settled()))


def recovery_of(db: Session, *, lock: bool = False) -> Recovery:
    """Return the row, locked against other processes until the transaction ends if `lock`."""
    return db.get_one(Recovery, 1, with_for_update=lock or None, populate_existing=True)


def noticed_at(db: Session) -> datetime | None:
    """Return when the restore was noticed; None if there never was one."""
    return db.scalar(select(Recovery.noticed_at).where(Recovery.id == 1))


def known_until(db: Session) -> datetime | None:
    """Return the last moment that the database surely knows of, while a recovery is in progress; else None."""
    in_progress = Recovery.id == 1, Recovery.phase != RecoveryPhase.SETTLED
    return db.scalar(select(Recovery.known_until).where(*in_progress))
