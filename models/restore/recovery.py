"""Recovery: what the line does after its database was restored, until SCM was compared with it.

One row says whether a recovery is in progress. While it is, no claim of an order succeeds (`settled`), so nothing
that costs money is sent to SCM; reading, polling and fetching go on.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    and_,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, stored_by_value
from certline.models.database.session import clock

# `Command.source` of the imports by which a recovery compares SCM with the database.
RECOVERY_SOURCE = "recovery"
# The number of the table that a row of it is in; Postgres gives a new one to a table that a dump makes anew.
TABLE_NUMBER = literal_column("recovery.tableoid::bigint", BigInteger())


class RecoveryPhase(StrEnum):
    """Phase of a recovery."""

    SETTLED = "settled"  # no recovery is in progress
    NOTICED = "noticed"  # the restore is noted, and nothing else done yet
    WAITING = "waiting"  # until what was on its way to SCM has arrived there
    COMPARING = "comparing"  # SCM's lists are read
    FETCHING = "fetching"  # certificates that were found are collected


# What a person is told while the data of the running server were not compared.
UNCOMPARED = (
    "Postgres was started, or a dump restored, and nothing is ordered until a relay has compared its data with "
    "the witness"
)


class Recovery(Base):
    """The one row about restores: the database's identity, and the recovery in progress or the last one.

    `number`: how many recoveries there were. `known_until`: the last moment that the database surely knows of.
    `compares_at`: when SCM's lists are read. `result`: what the last recovery found.

    `witness_key`: signs the witness (`restore.testimony`); None before the first relay. `witness_kept`: a witness
    is outside the database, or was. `compared_start` and `compared_table`: when the server was started whose data
    were last compared with the witness, and the number (oid) that this table had then, which a restored dump
    changes; None before the first comparison.
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
    # Deferred: the board's role may not read it.
    witness_key: Mapped[bytes | None] = mapped_column(deferred=True)
    witness_kept: Mapped[bool] = mapped_column(server_default=false())
    compared_start: Mapped[datetime | None]
    compared_table: Mapped[int | None] = mapped_column(BigInteger)

    @property
    def in_progress(self) -> bool:
        """True until the recovery has ended or was accepted."""
        return self.phase is not RecoveryPhase.SETTLED


def settled() -> ColumnElement[bool]:
    """Return the condition that no recovery is in progress."""
    return exists().where(Recovery.id == 1, Recovery.phase == RecoveryPhase.SETTLED)


def compared() -> ColumnElement[bool]:
    """Return the condition that a relay has compared the data of the running server with the witness.

    True as well where no relay has ever done so: there is no witness then.
    """
    return exists().where(Recovery.id == 1, _is_compared())


def clear_to_send() -> ColumnElement[bool]:
    """Return the condition of a statement that sends something to SCM: both `settled` and `compared`."""
    is_settled = Recovery.phase == RecoveryPhase.SETTLED
    return exists().where(Recovery.id == 1, is_settled, _is_compared())


def is_of_this_server() -> ColumnElement[bool]:
    """Return the condition that the data noted as compared are those of the running server, in this very table."""
    is_same_start = Recovery.compared_start == func.pg_postmaster_start_time()
    return and_(is_same_start, Recovery.compared_table == TABLE_NUMBER)


def _is_compared() -> ColumnElement[bool]:
    return or_(Recovery.compared_start.is_(None), is_of_this_server())


def recovering(db: Session) -> bool:
    """Return True while a recovery is in progress."""
    return not db.scalar(select(settled()))


def is_compared(db: Session) -> bool:
    """Return `compared` for the running server."""
    return bool(db.scalar(select(compared())))


def recovery_of(db: Session, *, lock: bool = False) -> Recovery:
    """Return the row, locked against other processes until the transaction ends if `lock`."""
    return db.get_one(Recovery, 1, with_for_update=lock or None, populate_existing=True)


def noticed_at(db: Session) -> datetime:
    """Return when the restore was noticed; the present time, as of one that is noticed now, if none is known."""
    in_progress = Recovery.id == 1, Recovery.phase != RecoveryPhase.SETTLED
    return db.scalar(select(Recovery.noticed_at).where(*in_progress)) or clock(db)


def known_until(db: Session) -> datetime | None:
    """Return the last moment that the database surely knows of, while a recovery is in progress; else None."""
    in_progress = Recovery.id == 1, Recovery.phase != RecoveryPhase.SETTLED
    return db.scalar(select(Recovery.known_until).where(*in_progress))
