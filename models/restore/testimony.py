"""The witness in the database, for the relay: its key, the note that it was compared, the restore that it shows.

The witness is a head of the audit log that RabbitMQ keeps (`models.audit.witness`). A database that lacks
entries which the witness counts was restored, although its identity (`models.server.identity`) is the same.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from certline.models.restore.recovery import Recovery, is_of_this_server

# Noticed no earlier than the witness was made, or this host's slow clock would have it begin again and again.
# What is in the restored data is older than the start of the server; entries since then say nothing about what is
# lost.
BEGIN = """UPDATE recovery SET phase = 'noticed', number = number + 1, why = :why,
        known_until = CASE WHEN phase = 'settled'
            THEN (SELECT max(at) FROM event WHERE at < pg_postmaster_start_time()) ELSE known_until END,
        noticed_at = greatest(clock_timestamp(), CAST(:seen_at AS timestamptz)), settled_at = NULL,
        compares_at = NULL, result = NULL"""
# A recovery that was begun after the witness was made has compared, or will compare, what the witness counts.
BY_WITNESS = text(
    f"{BEGIN} WHERE id = 1 AND (noticed_at IS NULL OR noticed_at < :seen_at) RETURNING number"
)
# Without an account, there is nothing at SCM that could be compared. A database that knows of no witness, and has
# no order as old as the one that is there, is a new one in a vhost that another has used before. No other relay
# expects a witness after it.
IF_UNKNOWN = """, witness_kept = false WHERE id = 1
        AND (compared_start, compared_table) IS DISTINCT FROM (pg_postmaster_start_time(), tableoid::bigint)
        AND EXISTS (SELECT FROM account WHERE status <> 'removed')
        AND (witness_kept OR EXISTS (SELECT FROM "order" WHERE kind <> 'import'
            AND created_at < coalesce(CAST(:made_at AS timestamptz), 'infinity'))) RETURNING number"""
WITHOUT_WITNESS = text(BEGIN + IF_UNKNOWN)
COMPARED = text(
    """UPDATE recovery SET compared_start = pg_postmaster_start_time(), compared_table = tableoid::bigint
    WHERE id = 1 AND (compared_start, compared_table)
        IS DISTINCT FROM (pg_postmaster_start_time(), tableoid::bigint)"""
)


@dataclass(frozen=True)
class Memory:
    """What the database knows of its witness. `key`: signs it; None while a dump is being restored.

    `was_kept`: there is one outside, or was. `is_compared`: the data of the running server were compared with it.
    `database`: system identifier and number (oid), empty if the server does not tell both.
    """

    key: bytes | None = field(repr=False)
    was_kept: bool = False
    is_compared: bool = False
    database: str = ""


def memory_of(db: Session) -> Memory:
    """Return what the database knows of its witness; the first call makes the key.

    The rest of the transaction is about the same server and the same table, which no dump can replace meanwhile.
    """
    key = witness_key(db)
    told = Recovery.cluster, Recovery.database
    noted = select(Recovery.witness_kept, is_of_this_server(), *told).where(Recovery.id == 1)
    row = db.execute(noted).one_or_none()
    if row is None:
        return Memory(None)
    was_kept, is_compared, cluster, number = row
    database = f"{cluster}/{number}" if cluster and number else ""
    return Memory(key, was_kept, bool(is_compared), database)


def witness_key(db: Session) -> bytes:
    """Return the key that this database's witnesses are signed with; the first call makes it.

    Empty while there is no row for it: a dump is being restored.
    """
    without = Recovery.id == 1, Recovery.witness_key.is_(None)
    db.execute(update(Recovery).where(*without).values(witness_key=secrets.token_bytes(32)))
    return db.scalars(select(Recovery.witness_key).where(Recovery.id == 1)).first() or b""


def begin_by_witness(db: Session, why: str, seen_at: datetime) -> bool:
    """Begin a recovery because the database lacks what a witness of the time `seen_at` counts.

    Returns False, and changes nothing, if one was begun since the witness was made.
    """
    return db.scalar(BY_WITNESS, {"why": why, "seen_at": seen_at}) is not None


def begin_without_witness(db: Session, why: str, made_at: datetime | None = None) -> bool:
    """Begin a recovery because there is no witness that could tell whether the database went back.

    `made_at`: when one was made that is there and cannot be trusted, by what it says itself.
    Returns False, and changes nothing, if the data of the running server were compared meanwhile, or there is no
    account to compare, or the database is a new one.
    """
    told = {"why": why, "seen_at": None, "made_at": made_at}
    return db.scalar(WITHOUT_WITNESS, told) is not None


def note_kept(db: Session) -> None:
    """Note that a witness is kept outside the database."""
    without = Recovery.id == 1, Recovery.witness_kept.is_(False)
    db.execute(update(Recovery).where(*without).values(witness_kept=True))


def note_compared(db: Session) -> datetime:
    """Note that the data of the running server were compared. Returns when the server was started."""
    db.execute(COMPARED)
    return server_start(db)


def server_start(db: Session) -> datetime:
    """Return when the server was started."""
    start: datetime = db.scalars(select(func.pg_postmaster_start_time())).one()
    return start


def is_noted(db: Session, start: datetime | None) -> bool:
    """Return True if the server is the one that was started at `start`, and its data are noted as compared."""
    noted = select(Recovery.id).where(Recovery.compared_start == start, is_of_this_server())
    return db.scalar(noted) is not None
