"""A year of renewals if certificates were valid for fewer days: a large estate is simulated in groups."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, Select, Text, cast, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from certline.models.certificates.certificate import Certificate
from certline.models.certificates.line import AutoRenewChoice, Line
from certline.models.database.session import clock
from certline.models.renewals.forecast import Forecast, forecast_of, renewals_by_day
from certline.models.renewals.plan import alive
from certline.models.renewals.selection import (
    USUAL_DAYS,
    auto_renew_rules,
    auto_renew_settings,
    is_chosen,
)
from certline.models.renewals.timing import Span, span_of

# An estate up to this size is simulated certificate by certificate, as `certline auto-renew plan --what-if` does.
EXACT = 5_000


@dataclass(frozen=True)
class Estate:
    """Certificates as the simulation needs them. `weights`: how many each span stands for, by its id.

    `selected`: False if automatic renewal selects none, so that these are all active ones.
    """

    today: date
    spans: Sequence[Span]
    weights: Counter[str]
    selected: bool

    @property
    def exact(self) -> bool:
        """True if each certificate is simulated by itself."""
        return len(self.spans) == self.weights.total()


@dataclass(frozen=True)
class WhatIf:
    """The forecast for a lifetime, and its renewals by day."""

    forecast: Forecast
    renewals: Counter[date]


def estate_of(db: Session) -> Estate:
    """Load the certificates selected for automatic renewal, or else all active ones."""
    today = clock(db).astimezone(UTC).date()
    chosen = is_chosen(auto_renew_rules(db))
    for which in (chosen, None):
        # Counted up to EXACT and one more: it only matters whether there are more.
        some = _certificates(which, Certificate.id).limit(EXACT + 1).subquery()
        count = db.scalar(select(func.count()).select_from(some)) or 0
        if count:
            return _estate(db, today, which, count)
    return Estate(today, [], Counter(), selected=True)


def what_if(estate: Estate, lifetime: int, *, rate_read: float, rate_order: float) -> WhatIf:
    """Simulate a year with certificates valid for `lifetime` days. The rates: calls to SCM per second."""
    counts = renewals_by_day(
        estate.spans, lifetime=lifetime, today=estate.today, cap=None, weights=estate.weights
    )
    found = forecast_of(
        counts,
        lifetime=lifetime,
        units=estate.weights.total(),
        rate_read=rate_read,
        rate_order=rate_order,
    )
    return WhatIf(found, counts)


def _estate(db: Session, today: date, which: ColumnElement[bool] | None, count: int) -> Estate:
    by_account = {row.account_id: row.days for row in auto_renew_settings(db)}
    begins, ends = Certificate.not_before, Certificate.not_after
    own, line = Certificate.id, Certificate.line_id
    account, days = Certificate.account_id, AutoRenewChoice.days
    if count <= EXACT:
        query = _certificates(which, own, line, account, days, begins, ends, literal(1))
    else:
        # Those that live the same days, in as many groups as a line's id has last characters, so that the
        # spread, which follows from the line, is that of many lines.
        # Casts, and texts compared by their bytes: of a million that is a few seconds less.
        day = (_day(begins), _day(ends))
        last = func.right(line, 1, type_=Text()).collate("C")
        query = _certificates(
            which,
            func.min(own.collate("C")),
            func.min(line.collate("C")),
            account,
            days,
            func.min(begins),
            func.min(ends),
            func.count(),
        ).group_by(account, days, *day, last)
    rows = db.execute(query).all()
    spans = [_span(row, by_account) for row in rows]
    return Estate(
        today, spans, Counter({row[0]: row[6] for row in rows}), selected=which is not None
    )


def _day(moment: InstrumentedAttribute[datetime]) -> ColumnElement[date]:
    return cast(func.timezone("UTC", moment, type_=DateTime()), Date)


def _span(row: Any, by_account: dict[int, int]) -> Span:
    own_id, line_id, account_id, days, begins, ends = row[:6]
    return span_of(own_id, line_id, begins, ends, days or by_account.get(account_id, USUAL_DAYS))


def _certificates(which: ColumnElement[bool] | None, *columns: Any) -> Select[Any]:
    query = (
        select(*columns)
        .select_from(Certificate)
        .join(Line, Line.id == Certificate.line_id)
        .outerjoin(AutoRenewChoice, AutoRenewChoice.line_id == Certificate.line_id)
        .where(Line.deleted_at.is_(None), alive())
    )
    return query if which is None else query.where(which)
