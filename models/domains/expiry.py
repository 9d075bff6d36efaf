"""Ends of validations: the days before the end on which one is told, and what was told last."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import ForeignKey, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, DnsText

# Days before the end, and the part of the validation's life that each is at most: one of 10 days is told 3 days
# (a third), 1 day (a sixth), and on its last day.
DAYS = (30, 14, 7, 3, 1)
PARTS = (3, 6, 12, 30, 60)
# A validation that ended longer ago than this is no news.
MOST_LATE = 30


class ValidationTold(Base):
    """The last `domain.validation_expiring` of a domain: the last day that it was about, and the threshold."""

    __tablename__ = "domain_validation_told"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    domain: Mapped[DnsText] = mapped_column(primary_key=True)
    last_day: Mapped[date]
    days: Mapped[int]
    told_at: Mapped[datetime] = mapped_column(server_default=func.now())


def thresholds(life: int) -> list[int]:
    """Return the days before its end on which a validation is told that lives so many days."""
    return sorted({min(days, life // part) for days, part in zip(DAYS, PARTS, strict=True)})


def threshold_reached(left: int, life: int) -> int | None:
    """Return the lowest threshold that a validation has reached, or None. `left`: days to its end.

    None also for one that has ended long ago.
    """
    if left < -MOST_LATE:
        return None
    return next((days for days in thresholds(life) if left <= days), None)


def told(db: Session) -> dict[tuple[int, str], tuple[date, int]]:
    """Return what was told last: (last day, threshold) by account id and domain."""
    columns = ValidationTold.account_id, ValidationTold.domain
    query = select(*columns, ValidationTold.last_day, ValidationTold.days)
    return {(row[0], row[1]): (row[2], row[3]) for row in db.execute(query)}


def note_told(db: Session, news: Sequence[tuple[int, str, date, int]]) -> set[tuple[int, str]]:
    """Store what is told now: (account id, domain, last day, threshold).

    Returns those that were not told yet; another sweep may have been quicker.
    """
    if not news:
        return set()
    columns = ("account_id", "domain", "last_day", "days")
    new = insert(ValidationTold).values([dict(zip(columns, row, strict=True)) for row in news])
    change = new.on_conflict_do_update(
        index_elements=["account_id", "domain"],
        set_={"last_day": new.excluded.last_day, "days": new.excluded.days, "told_at": func.now()},
        where=or_(
            ValidationTold.last_day != new.excluded.last_day,
            ValidationTold.days > new.excluded.days,
        ),
    ).returning(ValidationTold.account_id, ValidationTold.domain)
    return {(row[0], row[1]) for row in db.execute(change)}
