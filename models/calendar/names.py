"""Names of what ends and is renewed on each day of the coming year: the first few of each day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from certline.models.accounts.catalogue import Domain
from certline.models.calendar.place import CalendarFilter, of_certificates
from certline.models.calendar.year import midnight, of_domains
from certline.models.certificates.certificate import Certificate
from certline.models.database.session import clock
from certline.models.renewals.forecast import HORIZON
from certline.models.states import CertificateStatus

# Names of a day, at most; and things of a year whose names are looked up at all.
FIRST, MOST_NAMES = 10, 20_000


@dataclass(frozen=True)
class DayNames:
    """The first names of each day, by what happens on it."""

    ends: Mapping[date, Sequence[str]] = field(default_factory=dict)
    renewals: Mapping[date, Sequence[str]] = field(default_factory=dict)
    validations: Mapping[date, Sequence[str]] = field(default_factory=dict)


def names_by_day(db: Session, wanted: CalendarFilter) -> DayNames:
    """Load the names of each day's certificates and domains; of a small estate (MOST_NAMES)."""
    today = clock(db).astimezone(UTC).date()
    columns: tuple[Any, ...] = (Domain.validation_expires, Domain.name)
    domains = select(*columns).where(
        Domain.validation_expires >= today,
        Domain.validation_expires < today + HORIZON,
        *of_domains(wanted),
    )
    active = (Certificate.status == CertificateStatus.ACTIVE, *of_certificates(wanted))
    return DayNames(
        _firsts(db, _certificates(Certificate.not_after, today, *active)),
        _firsts(db, _certificates(Certificate.renews_at, today, *active)),
        _firsts(db, domains.order_by(Domain.validation_expires, Domain.name)),
    )


def _certificates(
    moment: InstrumentedAttribute[Any], today: date, *which: ColumnElement[bool]
) -> Select[Any]:
    begin = midnight(today)
    query = select(moment, Certificate.common_name).where(
        moment >= begin, moment < begin + HORIZON, *which
    )
    return query.order_by(moment, Certificate.common_name).limit(2 * MOST_NAMES)


def _firsts(db: Session, query: Select[Any]) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for at, name in db.execute(query):
        day = at.astimezone(UTC).date() if isinstance(at, datetime) else at
        names = found.setdefault(day, [])
        if len(names) < FIRST:
            names.append(name)
    return found
