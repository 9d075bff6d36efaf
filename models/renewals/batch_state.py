"""The progress of a batch of renewals, with the estimated time of its end."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from certline.models.database.session import clock
from certline.models.renewals.batch import (
    BatchStatus,
    Counts,
    RenewalBatch,
    counts_of,
    ended_since,
)
from certline.models.renewals.batch_pace import MEASURED, ends_at


@dataclass(frozen=True)
class BatchState:
    """The progress of a batch at one moment, with the estimated time of its end."""

    batch: RenewalBatch
    counts: Counts
    ends_at: datetime | None
    left: timedelta | None


def standing_of(db: Session, batch: RenewalBatch) -> BatchState:
    """Return the progress of a batch now."""
    now, counts = clock(db), counts_of(db, [batch.id])[batch.id]
    # The speed is measured over the last MEASURED, or since the start of a younger batch.
    measured = min(MEASURED, now - batch.created_at)
    end = None
    if batch.status is BatchStatus.RUNNING:
        end = ends_at(
            batch.per_hour,
            batch.next_at,
            now,
            waiting=counts.waiting,
            running=counts.running,
            ended=ended_since(db, batch.id, now - measured),
            measured=measured,
        )
    return BatchState(batch, counts, end, None if end is None else end - now)
