"""Redeliveries: how often RabbitMQ delivered a message again that nobody acknowledged.

A message that ends its reader, or keeps it busy until RabbitMQ gives up the connection, comes again and again. It
is counted before it is read. Quorum queues count too (`x-delivery-count`), but also what was prefetched behind it.
"""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Index, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base

# A message that is redelivered for this time is no longer read.
MOST_REDELIVERIES = 5
# Without a further redelivery a count is forgotten, at the next redelivery or by the retention job.
KEEP_COUNT = timedelta(days=1)


class Redelivery(Base):
    """Count of the redeliveries of one message, written only for a message that RabbitMQ marks as redelivered."""

    __tablename__ = "redelivery"
    __table_args__ = (Index("redelivery_by_time", "seen_at"),)

    # Hex SHA-256 of the queue, the sender, the message's id and its body.
    digest: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


def message_digest(*parts: str | bytes) -> str:
    """Return the hex SHA-256 of the parts of a message."""
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        whole.update(b"%d:" % len(raw) + raw)
    return whole.hexdigest()


def count_redelivery(db: Session, digest: str, *, afresh: bool = False) -> int:
    """Count a redelivery of a message. Returns how many there were within KEEP_COUNT of one another.

    `afresh`: the earlier ones were no fault of the message.
    """
    first = insert(Redelivery).values(digest=digest, count=1)
    old = Redelivery.seen_at < func.now() - KEEP_COUNT
    counted = first.on_conflict_do_update(
        index_elements=[Redelivery.digest],
        set_={
            "count": 1 if afresh else case((old, 1), else_=Redelivery.count + 1),
            "seen_at": func.now(),
        },
    )
    return db.scalars(counted.returning(Redelivery.count)).one()


def redeliveries_of(db: Session, digest: str) -> int:
    """Return how often a message was redelivered; 0 for one that never was."""
    return db.scalar(select(Redelivery.count).where(Redelivery.digest == digest)) or 0


def forget_redeliveries(db: Session, most: int) -> int:
    """Delete up to `most` counts older than KEEP_COUNT. Returns how many."""
    old = (
        select(Redelivery.digest)
        .where(Redelivery.seen_at < func.now() - KEEP_COUNT)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    gone = db.scalars(
        delete(Redelivery).where(Redelivery.digest.in_(old)).returning(Redelivery.digest)
    )
    return len(gone.all())
