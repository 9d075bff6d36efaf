"""Ends of validations: the days before the end on which one is told, and what was told last."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from sqlalchemy import ARRAY, ForeignKey, Text, any_, func, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from certline.models.database.base import Base, DnsText
from certline.models.orders.validation_reuse import STEPS, ReuseRules, made_on

# Days before the end, and the part of the validation's life that each is at most: one of 10 days is told 3 days
# (a third), 1 day (a sixth), and on its last day.
DAYS = (30, 14, 7, 3, 1)
PARTS = (3, 6, 12, 30, 60)
# A validation that ended longer ago than this is no news.
MOST_LATE = 30
A_DAY = timedelta(days=1)


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


@dataclass(frozen=True)
class DaysToTell:
    """The days by which Postgres finds the validations that may have reached a threshold today.

    `ends`: on which they end, as SCM says it; `made`: on which they were made, if a step of the ballot ends them
    before that.
    """

    ends: tuple[date, ...]
    made: tuple[date, ...]


def threshold_of(expires: date, known: date | None, rules: ReuseRules) -> int | None:
    """Return the lowest threshold that a validation has reached today, or None.

    `expires`: its end, `known`: when it was made, both as SCM says it.
    """
    last_day = rules.last_day(expires, known)
    life = last_day - made_on(expires, rules.today, known)
    return threshold_reached((last_day - rules.today).days, life.days)


@lru_cache(maxsize=2)  # the same for all sweeps of a day
def days_to_tell(rules: ReuseRules) -> DaysToTell:
    """Return the days that a validation has which may have reached a threshold today: one of `ends`, or of `made`.

    One that ends after the longest reuse was made today, as far as is known, and has reached none.
    """
    longest, today = max(step.reuse for step in STEPS), rules.today
    ends = (today + timedelta(days=number) for number in range(-MOST_LATE, longest + 1))
    made = (today - timedelta(days=number) for number in range(longest + MOST_LATE + 1))
    return DaysToTell(
        tuple(day for day in ends if _may_be_told(day, rules)),
        tuple(day for day in made if _is_cut_and_told(day, rules)),
    )


def _may_be_told(expires: date, rules: ReuseRules) -> bool:
    """Return True if a validation with this end may have reached a threshold, whenever it was made.

    One that no step of the ballot ends before is usable until then, or the day before, by SCM's time zone. So it
    is no older than the rule of that day allows.
    """
    if threshold_of(expires, None, rules) is not None:
        return True
    life = rules.on(expires - A_DAY).reuse + 1
    last_days = (expires, expires - A_DAY)
    return any(threshold_reached((day - rules.today).days, life) is not None for day in last_days)


def _is_cut_and_told(made: date, rules: ReuseRules) -> bool:
    """Return True if a step of the ballot ends a validation of that day, and it has reached a threshold."""
    last_day, life = rules.usable_until(made), rules.on(made).reuse
    if last_day == made + timedelta(days=life):
        return False
    left = last_day - rules.today
    return threshold_reached(left.days, (last_day - made).days) is not None


def told(
    db: Session, domains: Collection[tuple[int, str]]
) -> dict[tuple[int, str], tuple[date, int]]:
    """Return what was told last of these domains: (last day, threshold) by account id and domain."""
    if not domains:
        return {}
    columns = ValidationTold.account_id, ValidationTold.domain
    names = sorted({name for _, name in domains})
    query = select(*columns, ValidationTold.last_day, ValidationTold.days).where(
        ValidationTold.account_id.in_({account_id for account_id, _ in domains}),
        ValidationTold.domain == any_(literal(names, ARRAY(Text))),
    )
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
