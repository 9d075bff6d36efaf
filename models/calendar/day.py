"""One day of the calendar: which certificates end and are renewed, and which domains' validations end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from certline.models.accounts.catalogue import Domain
from certline.models.calendar.place import CalendarFilter, of_certificates
from certline.models.calendar.year import midnight, of_domains
from certline.models.certificates.certificate import Certificate
from certline.models.listing import Narrowing, certificates_listed
from certline.models.states import CertificateStatus

# Certificates of each kind that are listed at most; the list of certificates has all of them.
MOST = 100
# A renewal is at most this long before the end: a third of the longest lifetime, and the spread before it.
LONGEST_LEAD = timedelta(days=400)


@dataclass(frozen=True)
class CalendarDay:
    """What a day holds, MOST of each kind at most."""

    day: date
    ends: Sequence[Certificate]
    renewals: Sequence[Certificate]
    validations: Sequence[Domain]


def day_of(db: Session, wanted: CalendarFilter, day: date) -> CalendarDay:
    """Load what a day holds, of the certificates that the filter selects."""
    begin, end = midnight(day), midnight(day + timedelta(days=1))
    ends = _certificates(db, wanted, Certificate.not_after >= begin, Certificate.not_after < end)
    # No index has `renews_at`; that of the ends narrows it to those that can be renewed on the day.
    renewals = _certificates(
        db,
        wanted,
        Certificate.not_after >= begin,
        Certificate.not_after < end + LONGEST_LEAD,
        Certificate.renews_at >= begin,
        Certificate.renews_at < end,
    )
    domains = select(Domain).where(Domain.validation_expires == day, *of_domains(wanted))
    return CalendarDay(
        day, ends, renewals, list(db.scalars(domains.order_by(Domain.name).limit(MOST)))
    )


def _certificates(
    db: Session, wanted: CalendarFilter, *which: ColumnElement[bool]
) -> list[Certificate]:
    question = certificates_listed(Narrowing()).where(
        Certificate.status == CertificateStatus.ACTIVE, *of_certificates(wanted), *which
    )
    in_order = question.order_by(Certificate.not_after, Certificate.id)
    return list(db.scalars(in_order.limit(MOST)))
