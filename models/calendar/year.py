"""The coming year by day: ends of certificates, planned renewals and ends of domain validations, as numbers.

Counted by Postgres over all active certificates: of a million it takes some tenths of a second, so whoever shows
it to many keeps it for a while.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from certline.models.accounts.catalogue import Domain
from certline.models.accounts.catalogue_list import delegated_to
from certline.models.calendar.place import CalendarFilter, of_certificates
from certline.models.certificates.certificate import Certificate
from certline.models.database.session import clock
from certline.models.renewals.forecast import HORIZON, peaks
from certline.models.states import CertificateStatus

# Days of one kind that are named as cliffs, at most.
MOST_CLIFFS = 3


@dataclass(frozen=True)
class CalendarYear:
    """Numbers by day, from `today` for a year; a day without any is absent.

    `ends`: active certificates that expire; `renewals`: the next planned renewal of each certificate selected for
    automatic renewal; `late`: renewals planned for a day before `today`, which the next run makes; `validations`:
    domains whose validation ends.
    """

    at: datetime
    today: date
    ends: Mapping[date, int]
    renewals: Mapping[date, int]
    late: int
    validations: Mapping[date, int]

    @property
    def last(self) -> date:
        """The last day of the year ahead."""
        return self.today + HORIZON - timedelta(days=1)

    @property
    def cliffs(self) -> list[date]:
        """The days on which many more certificates end than on others, the highest first."""
        return peaks(filled(self.ends, self.today), MOST_CLIFFS)


def year_ahead(db: Session, wanted: CalendarFilter) -> CalendarYear:
    """Count what the coming year holds, of the certificates that the filter selects."""
    at = clock(db)
    today = at.astimezone(UTC).date()
    begin = midnight(today)
    end = begin + HORIZON
    active = (Certificate.status == CertificateStatus.ACTIVE, *of_certificates(wanted))
    ends = _by_day(
        db,
        Certificate.not_after,
        Certificate.not_after >= begin,
        Certificate.not_after < end,
        *active,
    )
    renewals = _by_day(
        db,
        Certificate.renews_at,
        Certificate.renews_at.is_not(None),
        Certificate.renews_at < end,
        *active,
    )
    late = sum(count for day, count in renewals.items() if day < today)
    return CalendarYear(
        at,
        today,
        ends,
        {day: count for day, count in renewals.items() if day >= today},
        late,
        _validations(db, wanted, today),
    )


def filled(counts: Mapping[date, int], today: date) -> Counter[date]:
    """Return the numbers of every day of the year ahead, with 0 for days without any."""
    days = Counter({today + timedelta(days=number): 0 for number in range(HORIZON.days)})
    days.update(counts)
    return days


def midnight(day: date) -> datetime:
    """Return the begin of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def _by_day(
    db: Session, moment: InstrumentedAttribute[Any], *which: ColumnElement[bool]
) -> dict[date, int]:
    day = cast(func.timezone("UTC", moment, type_=DateTime()), Date)
    query = select(day, func.count()).where(*which).group_by(day)
    return {row[0]: row[1] for row in db.execute(query)}


def _validations(db: Session, wanted: CalendarFilter, today: date) -> dict[date, int]:
    query = select(Domain.validation_expires, func.count()).where(
        Domain.validation_expires >= today,
        Domain.validation_expires < today + HORIZON,
        *of_domains(wanted),
    )
    rows = db.execute(query.group_by(Domain.validation_expires))
    return {day: count for day, count in rows if day is not None}


def of_domains(wanted: CalendarFilter) -> list[ColumnElement[bool]]:
    """Return the conditions that a domain meets: it is at SCM, and delegated to the organisation."""
    conditions: list[ColumnElement[bool]] = [Domain.gone_at.is_(None)]
    if wanted.account_id is not None:
        conditions.append(Domain.account_id == wanted.account_id)
    if wanted.organizations is not None:
        conditions.append(or_(False, *map(delegated_to, wanted.organizations)))
    return conditions
