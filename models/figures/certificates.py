"""Figures of certificates: how long they last, and those about which nothing is done."""

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from certline.models.certificates.certificate import Certificate
from certline.models.figures.catalogue import DAYS, Reading, Readings, buckets
from certline.models.renewals.endings import END, count_endings, nothing_under_way
from certline.models.states import CertificateStatus

SECONDS_A_DAY = 86_400


def days_left(db: Session) -> list[Reading]:
    """Return the histogram of the days until active certificates end; those that have ended count as 0 days."""
    left = Certificate.not_after - func.now()
    counts = [func.count().filter(left <= timedelta(days=bound)) for bound in DAYS]
    total = func.coalesce(func.sum(func.extract("epoch", left)), 0) / SECONDS_A_DAY
    active = Certificate.status == CertificateStatus.ACTIVE
    *found, count, days = db.execute(select(*counts, func.count(), total).where(active)).one()
    return buckets(dict(zip(DAYS, found, strict=True)), count, float(days))


def due_renewals(db: Session) -> int:
    """Count the selected certificates whose planned time has come with nothing under way."""
    due = (Certificate.auto_renew, Certificate.renews_at <= func.now())
    return (
        db.scalar(select(func.count()).select_from(Certificate).where(*nothing_under_way(), *due))
        or 0
    )


def ending_figures(db: Session) -> Readings:
    """Return the figures of certificates that end with nothing under way."""
    left = func.extract("epoch", Certificate.not_after - func.now())
    lifetime = func.extract("epoch", Certificate.not_after - Certificate.not_before)
    first = func.extract("epoch", func.min(Certificate.not_after))
    query = select(func.count(), first).where(*nothing_under_way(), left * END < lifetime)
    late, soonest = db.execute(query).one()
    found: Readings = {
        "certline_certificates_unattended": [
            ({"within_days": str(days)}, count) for days, count in count_endings(db).items()
        ],
        "certline_certificates_unattended_late": [({}, late)],
    }
    if soonest is not None:
        found["certline_certificate_unattended_end_timestamp_seconds"] = [({}, float(soonest))]
    return found
