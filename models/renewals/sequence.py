"""The certificates selected for automatic renewal, read in the sequence in which their days are planned.

An account may have a million of them: they are read a few at a time, as rows of a few columns, and sorted by
Postgres in blocks of some weeks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Interval,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.commands.command import Command
from certline.models.orders.order import Order
from certline.models.renewals.plan import GOING, alive
from certline.models.renewals.selection import AutoRenewSetting, auto_renew_rules, is_chosen
from certline.models.renewals.timing import EMERGENCY, SHORT_LIVED, cap_for, even_load, span_of
from certline.models.states import OPEN, CommandType

# Days of the wanted dates that are sorted at once, at least; the lead is added to it, since the dates follow from
# `not_after` only by the lead.
BLOCK = timedelta(days=14)
# Kilobytes for sorting a block.
SORT_MEMORY = 64 * 1024
# A wanted date before all others.
LONG_AGO = date(1970, 1, 1)

# A place in the sequence: 0 for emergencies and 1 for others, the wanted date (ISO), line, certificate.
Place = tuple[int, str, str, str]


@dataclass(frozen=True)
class Load:
    """An account's selection in numbers. `limited`: certificates whose lifetime is too short for the days before
    expiry; `even`: renewals a day if they were spread evenly; `lead`: the longest lead; `last_end`: the latest
    expiry.
    """

    selected: int
    limited: int
    even: float
    lead: timedelta
    last_end: datetime | None

    def cap(self, setting: AutoRenewSetting) -> int:
        """Return the renewals a day that the setting allows."""
        return setting.cap_per_day or cap_for(self.even)


def load_of(db: Session, setting: AutoRenewSetting) -> Load:
    """Count an account's selected certificates by their lifetime, of which an estate has few."""
    lifetime = Certificate.not_after - Certificate.not_before
    days = func.coalesce(AutoRenewChoice.days, setting.days)
    rows = _selected(
        db, setting, lifetime, days, func.count(), func.max(Certificate.not_after)
    ).group_by(lifetime, days)
    selected, limited, even, lead, last = 0, 0, 0.0, timedelta(0), None
    begin = datetime(2000, 1, 1, tzinfo=UTC)
    for lived, before, count, end in db.execute(rows):
        span = span_of("", "", begin, begin + lived, before)
        selected += count
        limited += count if span.lead < timedelta(days=before) else 0
        even += count * even_load([span])
        lead = max(lead, span.lead)
        last = end if last is None else max(last, end)
    return Load(selected, limited, even, lead, last)


def in_sequence(
    db: Session,
    setting: AutoRenewSetting,
    load: Load,
    today: date,
    *,
    after: Place | None = None,
    piece: int,
) -> Iterator[Sequence[Any]]:
    """Yield the selected certificates in the sequence of planning, from the place `after` on, `piece` at a time.

    Emergencies first, then by wanted date, line and id. The columns: id, line_id, common_name, not_before,
    not_after, auto_renew, renews_at, days (before expiry), is_going (a renewal is on its way). The transaction has
    to stay open meanwhile.
    """
    db.execute(text(f"SET LOCAL work_mem = {SORT_MEMORY}"))
    for block in _blocks(load, today, after):
        query = _block(db, setting, load, block=block, today=today, after=after)
        # Closed with the generator, so that a cursor of Postgres does not outlive what reads it.
        with db.execute(query, execution_options={"yield_per": piece}) as found:
            yield from found.partitions()


def place_of(row: Any, wanted: date, *, emergency: bool) -> Place:
    """Return the place of a row of `in_sequence`."""
    return 0 if emergency else 1, wanted.isoformat(), row.line_id, row.id


def end_of_page(db: Session, after: str, size: int) -> str | None:
    """Return the id that ends a page of `size` certificates after the id `after`; None if it is the last page."""
    query = select(Certificate.id).where(Certificate.id > after).order_by(Certificate.id)
    return db.scalar(query.offset(size - 1).limit(1))


def dropped_of(
    db: Session, setting: AutoRenewSetting, page: tuple[str, str | None], most: int
) -> list[str]:
    """Return up to `most` certificates of an account that are marked as selected, and no longer are.

    `page`: of the certificates after the first id, up to the second one if there is one.
    """
    after, until = page
    rules = auto_renew_rules(db)
    query = (
        select(Certificate.id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(
            Certificate.account_id == setting.account_id,
            Certificate.id > after,
            *(() if until is None else (Certificate.id <= until,)),
            Certificate.auto_renew,
            ~and_(alive(), is_chosen(rules), _not_deleted()),
        )
        .limit(most)
    )
    return list(db.scalars(query))


def _blocks(load: Load, today: date, after: Place | None) -> Iterator[tuple[date, date] | None]:
    """Yield None for the emergencies, then ranges of wanted dates, the first one open to the past."""
    if load.last_end is None:
        return
    if after is None or after[0] == 0:
        yield None
    start = LONG_AGO if after is None or after[0] == 0 else date.fromisoformat(after[1])
    last = load.last_end.date()
    width = BLOCK + load.lead
    while start <= last:
        end = max(start, today) + width
        yield start, end
        start = end


def _block(
    db: Session,
    setting: AutoRenewSetting,
    load: Load,
    *,
    block: tuple[date, date] | None,
    today: date,
    after: Place | None,
) -> Select[Any]:
    wanted, emergency = _dates(setting)
    line, own = Certificate.line_id.collate("C"), Certificate.id.collate("C")
    query = _selected(
        db,
        setting,
        Certificate.id,
        Certificate.line_id,
        Certificate.common_name,
        Certificate.not_before,
        Certificate.not_after,
        Certificate.auto_renew,
        Certificate.renews_at,
        func.coalesce(AutoRenewChoice.days, setting.days).label("days"),
        _is_going().label("is_going"),
    )
    soon = today + timedelta(days=1)
    if block is None:
        # An emergency begins within the lead; so the index on `not_after` finds them.
        query = query.where(emergency <= today, Certificate.not_after < _at(soon) + load.lead)
    else:
        begin, end = block
        query = query.where(
            emergency > today,
            wanted >= begin,
            wanted < end,
            Certificate.not_after >= _at(begin),
            Certificate.not_after < _at(end) + load.lead,
        )
    if after is not None and (after[0] == 0) is (block is None):
        last = tuple_(cast(literal(after[1]), Date), literal(after[2]), literal(after[3]))
        query = query.where(tuple_(wanted, line, own) > last)
    return query.order_by(wanted, line, own)


def _selected(db: Session, setting: AutoRenewSetting, *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(Certificate)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(
            Certificate.account_id == setting.account_id,
            alive(),
            is_chosen(auto_renew_rules(db)),
            _not_deleted(),
        )
    )


def _not_deleted() -> ColumnElement[bool]:
    return ~exists(Line.id).where(Line.id == Certificate.line_id, Line.deleted_at.is_not(None))


def _dates(setting: AutoRenewSetting) -> tuple[ColumnElement[date], ColumnElement[date]]:
    """Return SQL for the wanted date and for the date of the emergency, as `models.renewals.timing` counts them.

    Only the sequence depends on it, and the blocks; the days themselves are counted there.
    """
    lifetime = Certificate.not_after - Certificate.not_before
    part = case((lifetime < SHORT_LIVED, 2.0), else_=3.0)
    days = func.make_interval(0, 0, 0, func.coalesce(AutoRenewChoice.days, setting.days))
    lead = func.least(days, _shared(lifetime, part), type_=Interval())
    last = func.least(_shared(lifetime, literal(float(EMERGENCY))), lead, type_=Interval())
    return _day(Certificate.not_after - lead), _day(Certificate.not_after - last)


def _shared(interval: ColumnElement[Any], parts: ColumnElement[float]) -> ColumnElement[Any]:
    return interval.op("/", precedence=10, return_type=Interval())(parts)


def _day(moment: ColumnElement[Any]) -> ColumnElement[date]:
    return cast(func.timezone("UTC", moment, type_=DateTime()), Date)


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _is_going() -> ColumnElement[bool]:
    """Return SQL that a renewal of the certificate is on its way; both lists are short, and are read once."""
    lines = select(Order.line_id).where(
        Order.predecessor_id.is_not(None), Order.status.in_(OPEN), Order.line_id.is_not(None)
    )
    asked = select(Command.subject).where(
        Command.type == CommandType.RENEW, Command.status.in_(GOING), Command.subject.is_not(None)
    )
    return Certificate.line_id.in_(lines) | Certificate.id.in_(asked)
