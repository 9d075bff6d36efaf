"""Dead letters: messages that could not be accepted, kept until an operator replays or drops them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import CheckConstraint, Index, func, select, text
from sqlalchemy.dialects.postgresql import UUID, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.audit.identity import Identity
from certline.models.audit.log import record
from certline.models.csr.private_key import KEYSTORES
from certline.models.database.base import Base, new_id, stored_by_value
from certline.models.database.secret_place import secret_place
from certline.models.database.session import clock

if TYPE_CHECKING:
    from certline.models.vault import Vault

# Property of a dead letter whose message held a private key, which was removed.
WITHOUT_KEY = "private_key_removed"
# Property of a dead letter whose message was not read, not even to look for a private key in every form.
UNREAD = "unread"
# What the lines of a private key have, looked for in what is not read.
PLAIN_MARKS = (b"PRIVATE KEY", b"openssh-key-v1", b"PuTTY-User-Key-File", *KEYSTORES)
# Letters that wait of one sender and source (CERTLINE_MOST_DEAD_LETTERS). Of further messages of a day, one letter
# has the number.
MOST_OF_SENDER = 500


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
        # For the number of letters that wait of one sender.
        Index(
            "dead_letter_waiting",
            "source",
            "sender",
            postgresql_where=text("status = 'waiting'"),
        ),
        CheckConstraint("(status = 'waiting') = (decided_at IS NULL)", name="decided_once"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str]
    # RabbitMQ user who sent it; empty if the message does not say.
    sender: Mapped[str] = mapped_column(default="", server_default="")
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


class Kept(NamedTuple):
    """A dead letter that has a message: its id, whether it is new, and whether the sender is still answered."""

    id: str
    new: bool
    answered: bool = True


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
    sender: str = "",
    most: int = MOST_OF_SENDER,
    unread: bool = False,
) -> Kept:
    """Keep a message until an operator decides.

    A message that is already waiting is not kept twice. If `most` letters of the sender wait, only the number of
    its further messages is kept, in one letter a day. Of a body larger than LARGEST bytes, only the beginning is
    kept; a private key is removed (WITHOUT_KEY). `unread`: the body may harm its reader.
    """
    from certline.models.commands.envelope import LARGEST
    from certline.models.csr.key_search import without_private_keys

    if _waiting_of(db, source, sender, most) >= most:
        return _count_only(db, vault, (source, sender), most, reason)
    if unread:
        kept = _without_plain_marks(body[:LARGEST])
        properties = properties | {UNREAD: True}
    else:
        kept = without_private_keys(body[:LARGEST])
    if kept != body[:LARGEST]:
        properties = properties | {WITHOUT_KEY: True}
        reason = f"{reason} (the private key was removed from what is kept here)"
    # Of the whole body, so that truncated messages with the same beginning stay distinct.
    digest = hashlib.sha256(body).hexdigest()
    identity = new_id()
    place = secret_place(DeadLetter.__tablename__, DeadLetter.body_sealed.key, identity)
    added = db.scalar(
        insert(DeadLetter)
        .values(
            id=identity,
            source=source,
            sender=sender,
            reason=reason,
            properties=properties,
            body_sealed=vault.seal(kept, place),
            sha256=digest,
            message_id=message_id,
            command_id=command_id,
            attempts=attempts,
        )
        .on_conflict_do_nothing()
        .returning(DeadLetter.id)
    )
    if added is not None:
        return Kept(added, True)
    first = db.scalars(
        select(DeadLetter.id).where(
            DeadLetter.source == source,
            DeadLetter.sha256 == digest,
            DeadLetter.message_id == message_id,
        )
    )
    # Any status, as it may have been decided on since the insert. Ids are ULIDs: the largest is the newest.
    return Kept(max(first), False)


def _waiting_of(db: Session, source: str, sender: str, most: int) -> int:
    """Count the letters of a sender that wait, up to `most`."""
    some = (
        select(DeadLetter.id)
        # As in the index `dead_letter_waiting`.
        .where(text("status = 'waiting'"), DeadLetter.source == source, DeadLetter.sender == sender)
        .limit(most)
    )
    return db.scalar(select(func.count()).select_from(some.subquery())) or 0


def _count_only(db: Session, vault: Vault, origin: tuple[str, str], most: int, reason: str) -> Kept:
    """Count a message of a source and sender of whom `most` letters wait, in one letter a day."""
    source, sender = origin
    day = func.to_char(func.now(), "YYYY-MM-DD")
    why = (
        f"as many messages of this sender wait as are kept ({most}): of further ones of this day, only the number "
        f"(attempts) is kept; decide about the others. The last one: {reason}"
    )
    identity = new_id()
    place = secret_place(DeadLetter.__tablename__, DeadLetter.body_sealed.key, identity)
    counted = insert(DeadLetter).values(
        id=identity,
        source=source,
        sender=sender,
        reason=why,
        properties={"exchange": "", "routing_key": "", "bytes": 0},
        body_sealed=vault.seal(b"", place),
        sha256="",
        message_id=func.concat("further messages of ", sender, " on ", day),
        attempts=1,
    )
    row = db.execute(
        counted.on_conflict_do_update(
            index_elements=["source", "sha256", "message_id"],
            index_where=text("status = 'waiting'"),
            set_={"attempts": DeadLetter.attempts + 1, "reason": why, "received_at": func.now()},
        ).returning(DeadLetter.id, DeadLetter.attempts)
    ).one()
    return Kept(row.id, row.attempts == 1, answered=row.attempts <= most)


def _without_plain_marks(body: bytes) -> bytes:
    from certline.models.csr.private_key import NOTICE

    flat = body.replace(b"\0", b"")
    return NOTICE.encode() if any(mark in flat or mark in body for mark in PLAIN_MARKS) else body


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
