"""Dead letters: messages that could not be accepted, kept until an operator replays or drops them."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, func, select, text
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.commands.envelope import LARGEST
from certline.models.csr.private_key import without_private_keys
from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.database.session import clock
from certline.models.vault import Vault

# Property of a dead letter whose message held a private key, which was removed.
WITHOUT_KEY = "private_key_removed"


class DeadLetterStatus(StrEnum):
    """Status of a dead letter."""

    WAITING = "waiting"
    REPLAYED = "replayed"
    DROPPED = "dropped"


class DeadLetter(Base):
    """Message as it was received, with its source (a queue or an exchange) and why it was not accepted.

    The body is encrypted, because a faulty sender may have put a password into it. A private key is not kept even
    so: `properties` then has WITHOUT_KEY, and the body is no longer the one that was sent.
    """

    __tablename__ = "dead_letter"
    __table_args__ = (
        # RabbitMQ redelivers a message that was kept but not acknowledged: it is kept once.
        Index(
            "dead_letter_once",
            "source",
            "sha256",
            "message_id",
            unique=True,
            postgresql_where=text("status = 'waiting'"),
        ),
        # `certline dead-letter list` (`models.listing`): the filter's column, then the sort key.
        Index("dead_letter_by_status", "status", "id"),
        CheckConstraint("(status = 'waiting') = (decided_at IS NULL)", name="decided_once"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str]
    reason: Mapped[str]
    properties: Mapped[dict[str, Any]] = mapped_column(default=dict)
    body_sealed: Mapped[bytes]
    sha256: Mapped[str]
    message_id: Mapped[str] = mapped_column(default="")
    command_id: Mapped[str | None] = mapped_column(UUID(as_uuid=False))
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    status: Mapped[DeadLetterStatus] = mapped_column(
        stored_by_value(DeadLetterStatus), default=DeadLetterStatus.WAITING
    )
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision: Mapped[str | None]

    def __repr__(self) -> str:
        return f"DeadLetter({self.id}, {self.source!r}, {self.status!s})"


def keep(
    db: Session,
    vault: Vault,
    body: bytes,
    *,
    source: str,
    reason: str,
    properties: dict[str, Any],
    message_id: str,
    command_id: str | None,
    attempts: int,
) -> tuple[str, bool]:
    """Keep a message until an operator decides. Returns (the dead letter's id, whether it is new).

    A message that is already waiting is not kept twice. Of a body larger than LARGEST bytes, only the
    beginning is kept; a private key is removed (WITHOUT_KEY).
    """
    kept = without_private_keys(body[:LARGEST])
    if kept != body[:LARGEST]:
        properties = properties | {WITHOUT_KEY: True}
        reason = f"{reason} (the private key was removed from what is kept here)"
    # Of the whole body, so that truncated messages with the same beginning stay distinct.
    digest = hashlib.sha256(body).hexdigest()
    added = db.scalar(
        insert(DeadLetter)
        .values(
            source=source,
            reason=reason,
            properties=properties,
            body_sealed=vault.seal(kept),
            sha256=digest,
            message_id=message_id,
            command_id=command_id,
            attempts=attempts,
        )
        .on_conflict_do_nothing()
        .returning(DeadLetter.id)
    )
    if added is not None:
        return added, True
    first = db.scalars(
        select(DeadLetter.id).where(
            DeadLetter.source == source,
            DeadLetter.sha256 == digest,
            DeadLetter.message_id == message_id,
        )
    )
    # Any status, as it may have been decided on since the insert. Ids are ULIDs: the largest is the newest.
    return max(first), False


def decide(
    db: Session, letter: DeadLetter, status: DeadLetterStatus, *, who: Identity, decision: str
) -> None:
    """Record the decision about a dead letter, in its row and in the audit log."""
    letter.decided_at = clock(db)
    letter.status = status
    letter.decided_by = str(who)
    letter.decision = decision
    record(
        db,
        f"dead_letter.{status}",
        letter.id,
        who=who,
        why=decision,
        command_id=letter.command_id,
        source=letter.source,
    )


def dead_letter_known_as(db: Session, name: str) -> DeadLetter | None:
    """Return the dead letter with that id, or None."""
    return db.get(DeadLetter, name.upper())


def dead_letters_waiting(db: Session) -> int:
    """Count the dead letters that wait for a decision."""
    waiting = DeadLetter.status == DeadLetterStatus.WAITING
    return db.scalar(select(func.count()).select_from(DeadLetter).where(waiting)) or 0
