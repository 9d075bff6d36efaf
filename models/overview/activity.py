"""What was done in the last 24 hours, by the audit log, and the last run of auto-renewal that ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.audit.log import AuditEntry
from certline.models.database.session import clock
from certline.models.orders.order import Order
from certline.models.renewals.runs import AutoRenewRun
from certline.models.states import OrderKind

PERIOD = timedelta(days=1)
# Entries of the period that are counted at most, the newest first, and those that are shown.
MOST_COUNTED, LATEST = 20_000, 10


@dataclass(frozen=True)
class Activity:
    """What was done lately: audit entries by type, the latest ones, and the last run of auto-renewal that ended.

    `stored`: orders whose certificate was stored, by their kind. `whole`: False if there were more entries than
    MOST_COUNTED, of which the newest were counted.
    """

    by_type: dict[str, int]
    stored: dict[OrderKind, int]
    whole: bool
    latest: tuple[AuditEntry, ...]
    last_run: datetime | None


def recent_activity(db: Session) -> Activity:
    """Find out what was done in the last 24 hours; each of that time's entries is read, MOST_COUNTED at most."""
    newest_first = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
    recent = (
        newest_first.with_only_columns(AuditEntry.type, AuditEntry.subject)
        .where(AuditEntry.at >= clock(db) - PERIOD)
        .limit(MOST_COUNTED)
        .subquery()
    )
    counts = select(recent.c.type, func.count()).group_by(recent.c.type)
    by_type = {row[0]: row[1] for row in db.execute(counts)}
    kinds = (
        select(Order.kind, func.count())
        .join(recent, recent.c.subject == Order.id)
        .where(recent.c.type == "order.stored")
        .group_by(Order.kind)
    )
    return Activity(
        by_type,
        {row[0]: row[1] for row in db.execute(kinds)},
        whole=sum(by_type.values()) < MOST_COUNTED,
        latest=tuple(db.scalars(newest_first.limit(LATEST))),
        last_run=db.scalar(select(func.max(AutoRenewRun.ended_at))),
    )
