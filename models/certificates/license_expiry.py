"""Publication of `license.expiring` when the licence reaches certain days before its end, once each."""

from typing import get_args

from sqlalchemy.orm import Session

from certline.models.audit.identity import SWEEP
from certline.models.audit.log import record
from certline.models.certificates.license import License, as_day, license_use
from certline.models.events.outbox import emit_event
from certline.models.validation import LicenseThreshold

# Days before the end, 0 for the end itself; the first of them is when `certline doctor` begins to warn.
DAYS: tuple[LicenseThreshold, ...] = get_args(LicenseThreshold)
WARN_DAYS = DAYS[0]


def emit_license_expiring(db: Session) -> int:
    """Publish `license.expiring` if the licence has reached a new threshold. Returns how many events: 0 or 1."""
    from certline.models.events.license_data import LicenseExpiring

    if db.get_one(License, 1).valid_until is None:
        return 0
    use = license_use(db)
    reached = [days for days in DAYS if use.days_left is not None and use.days_left <= days]
    if not reached:
        return 0
    row = db.get_one(License, 1, with_for_update=True, populate_existing=True)
    if row.expiring_told is not None and row.expiring_told <= min(reached):
        return 0
    row.expiring_told = min(reached)
    event = LicenseExpiring(
        capacity=use.capacity,
        used=use.used,
        held=use.held,
        valid_until=as_day(use.valid_until) or "",
        days=min(reached),
        days_left=max(0, use.days_left or 0),
    )
    emit_event(db, event, subject=None, correlation_id=None)
    record(db, "license.expiring", "license", who=SWEEP, days=min(reached))
    return 1
