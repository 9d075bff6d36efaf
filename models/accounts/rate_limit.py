"""The rate limit of calls to SCM: one row for each account and kind of call, shared by all workers.

The rule is GCRA (ITU-T I.371): a call is due one interval after the last one, and may be early by a burst. A call
that has to wait reserves its place at once, so that waiting calls keep their sequence and none is starved.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache

from sqlalchemy import DateTime, ForeignKey, Interval, bindparam, case, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from certline.models.database.base import Base, stored_by_value


class CallKind(StrEnum):
    """Kind of a call to SCM, each with its own rate limit: reading, or ordering."""

    READ = "read"
    ORDER = "order"


# Calls that may be made at once after a pause. Small, because SCM's own limits are not documented.
BURST = {CallKind.READ: 5, CallKind.ORDER: 1}


class RateLimit(Base):
    """State of one rate limit: when the next call is due (GCRA's theoretical arrival time), and the time until
    which SCM has asked us to make no call.
    """

    __tablename__ = "pace"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[CallKind] = mapped_column(stored_by_value(CallKind), primary_key=True)
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    held_until: Mapped[datetime | None]


@dataclass(frozen=True)
class Turn:
    """Result of `take`. `taken`: a place is reserved, and the call may be made after `wait`. Otherwise nothing
    is reserved; try again after `wait`.

    `further`: the waits of the additional places, if several were taken.
    """

    taken: bool
    wait: timedelta
    further: tuple[timedelta, ...] = ()


NONE = timedelta(0)
# Not now(): that is the transaction's start, and would ignore the time spent waiting for the row's lock.
_CLOCK = func.clock_timestamp(type_=DateTime(timezone=True))


def take(
    db: Session,
    account_id: int,
    kind: CallKind,
    *,
    per_second: float,
    burst: int,
    patience: timedelta = NONE,
    places: int = 1,
) -> Turn:
    """Reserve the place of the next call if it is due within `patience`; with `places`, those after it as well.

    `burst`: how many calls may be made at once. To be called in a short transaction of its own, because the row
    stays locked until the transaction ends.
    """
    interval = timedelta(seconds=1 / per_second)
    # How much earlier than due a call may be made: a burst of one allows nothing.
    early = interval * (burst - 1)
    all_of_them = interval * places
    taken = db.execute(
        _taking(),
        {
            "of_account": account_id,
            "of_kind": kind,
            "all_of_them": all_of_them,
            "early": early,
            "patience": patience,
        },
    ).one_or_none()
    if taken is not None:
        # `next_at` is already the due time after all our places: count back to the first of them.
        next_at, now = taken
        first = next_at - all_of_them - early - now
        waits = [max(NONE, first + interval * place) for place in range(places)]
        return Turn(True, waits[0], tuple(waits[1:]))
    next_at, held_until, now = db.execute(
        select(RateLimit.next_at, RateLimit.held_until, _CLOCK).where(
            RateLimit.account_id == account_id, RateLimit.kind == kind
        )
    ).one()
    return Turn(False, max(NONE, next_at - early - now, (held_until or now) - now))


@cache
def _taking() -> ReturningInsert[datetime, datetime]:
    """Return the statement that reserves places; no row is returned where the next place is too far away.

    It is built once, because every call to SCM runs it. Test and update are one statement, so two workers can't
    reserve the same place.
    """
    all_of_them = bindparam("all_of_them", type_=Interval)
    early, patience = bindparam("early", type_=Interval), bindparam("patience", type_=Interval)
    return (
        insert(RateLimit)
        .values(
            account_id=bindparam("of_account"),
            kind=bindparam("of_kind"),
            next_at=_CLOCK + all_of_them,
        )
        .on_conflict_do_update(
            index_elements=[RateLimit.account_id, RateLimit.kind],
            set_={"next_at": func.greatest(RateLimit.next_at, _CLOCK) + all_of_them},
            where=(RateLimit.next_at - early <= _CLOCK + patience)
            & or_(RateLimit.held_until.is_(None), RateLimit.held_until <= _CLOCK),
        )
        .returning(RateLimit.next_at, _CLOCK)
    )


def hold_off(db: Session, account_id: int, wait: timedelta) -> None:
    """Allow no call of the account, of either kind, for `wait`: SCM has asked for a pause (429, Retry-After)."""
    until = _CLOCK + wait
    rows = [{"account_id": account_id, "kind": kind, "held_until": until} for kind in CallKind]
    fresh = insert(RateLimit).values(rows)
    # A longer pause that is already stored is kept.
    longer = case(
        (RateLimit.held_until > fresh.excluded.held_until, RateLimit.held_until),
        else_=fresh.excluded.held_until,
    )
    db.execute(
        fresh.on_conflict_do_update(
            index_elements=[RateLimit.account_id, RateLimit.kind], set_={"held_until": longer}
        )
    )


def held_off(db: Session, account_id: int) -> timedelta:
    """Return how long the account still has to pause as SCM has asked; zero if it need not."""
    query = select(func.max(RateLimit.held_until), _CLOCK).where(RateLimit.account_id == account_id)
    held_until, now = db.execute(query).one()
    return max(NONE, (held_until or now) - now)
