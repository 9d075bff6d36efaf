"""How fast SCM may be asked: one row for each account and kind of call, shared by all workers.

The rule is GCRA (ITU-T I.371): a call is due one interval after the last one, and may come up to a
burst early. Whoever has to wait a little takes its place at once, so waiting calls go in the order
in which they came and nobody is passed over for ever.
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
    """What a call to SCM costs: a look, or an order. Each has a rate of its own."""

    READ = "read"
    ORDER = "order"


# Calls that may come at once after a rest. Small: SCM's own limits are not documented.
BURST = {CallKind.READ: 5, CallKind.ORDER: 1}


class Pace(Base):
    """When the next call of a kind is due (the theoretical arrival time), and until when SCM has
    asked us to hold off.
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
    """`taken`: the call's place is its own, after `wait`. Else nothing is taken: ask again then.

    `further`: the waits for the places behind it, where several were taken.
    """

    taken: bool
    wait: timedelta
    further: tuple[timedelta, ...] = ()


NONE = timedelta(0)
# Not now(), which stands still in a transaction, and so while it waits for the row.
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
    """Take the next call's place, where it is no further away than `patience`; with `places`, those
    behind it too.

    In a transaction of its own: the row stays locked until its end.
    """
    interval = timedelta(seconds=1 / per_second)
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
        next_at, now = taken
        first = next_at - all_of_them - early - now
        waits = [max(NONE, first + interval * place) for place in range(places)]
        return Turn(True, waits[0], tuple(waits[1:]))
    next_at, held_until, now = db.execute(
        select(Pace.next_at, Pace.held_until, _CLOCK).where(
            Pace.account_id == account_id, Pace.kind == kind
        )
    ).one()
    return Turn(False, max(NONE, next_at - early - now, (held_until or now) - now))


@cache
def _taking() -> ReturningInsert[datetime, datetime]:
    """The statement, which is made once: each call to SCM waits for it."""
    all_of_them = bindparam("all_of_them", type_=Interval)
    early, patience = bindparam("early", type_=Interval), bindparam("patience", type_=Interval)
    return (
        insert(Pace)
        .values(
            account_id=bindparam("of_account"),
            kind=bindparam("of_kind"),
            next_at=_CLOCK + all_of_them,
        )
        .on_conflict_do_update(
            index_elements=[Pace.account_id, Pace.kind],
            set_={"next_at": func.greatest(Pace.next_at, _CLOCK) + all_of_them},
            where=(Pace.next_at - early <= _CLOCK + patience)
            & or_(Pace.held_until.is_(None), Pace.held_until <= _CLOCK),
        )
        .returning(Pace.next_at, _CLOCK)
    )


def hold_off(db: Session, account_id: int, wait: timedelta) -> None:
    """SCM has asked for a rest (429, Retry-After): for this long nobody calls, whatever the kind."""
    until = _CLOCK + wait
    rows = [{"account_id": account_id, "kind": kind, "held_until": until} for kind in CallKind]
    fresh = insert(Pace).values(rows)
    longer = case(
        (Pace.held_until > fresh.excluded.held_until, Pace.held_until),
        else_=fresh.excluded.held_until,
    )
    db.execute(
        fresh.on_conflict_do_update(
            index_elements=[Pace.account_id, Pace.kind], set_={"held_until": longer}
        )
    )


def held_off(db: Session, account_id: int) -> timedelta:
    """How long SCM still wants to be left alone by this account; zero where it doesn't."""
    query = select(func.max(Pace.held_until), _CLOCK).where(Pace.account_id == account_id)
    held_until, now = db.execute(query).one()
    return max(NONE, (held_until or now) - now)
