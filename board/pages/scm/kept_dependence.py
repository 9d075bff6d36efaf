"""What depends on a domain's validation, counted once for all viewers of the board.

Counting takes longer the more certificates there are below the domain, so the numbers are kept for some minutes.
"""

from certline.board.web.page_request import PageRequest
from certline.models.domains.detail import DomainDetail
from certline.models.overview.attendance import UNATTENDED, Attendance, attendances
from certline.producers.domains.dependence import Dependence, dependence_of

# Seconds for which a page waits for the numbers; without them it says that they are being counted.
PATIENCE = 0.03


def kept_dependence(asked: PageRequest, found: DomainDetail, *, at_once: bool) -> Dependence | None:
    """Return what depends on a domain; None if it is wanted `at_once` and still being counted."""
    key, kept = (found.account.id, found.validated_with), asked.board.kept
    # Counted anew once it is validated, or another validation has begun.
    newest = found.validations[0].id if found.validations else None
    name = ("domain", *key, found.last_day, newest)
    if at_once:
        return kept.soon(name, lambda db: dependence_of(db, key), PATIENCE)
    return kept.get(asked.db, name, lambda db: dependence_of(db, key))


def attendance_of(asked: PageRequest, found: DomainDetail) -> Attendance:
    """Return what is being done about a domain at this moment, but for what is planned by itself."""
    key = (found.account.id, found.validated_with)
    return attendances(asked.db).get(key, UNATTENDED)


def care_now(own: Attendance, planned: Dependence | None) -> Attendance:
    """Return what is being done, or is planned by itself, which may be some minutes old."""
    if own is UNATTENDED and planned is not None and planned.care.validation is None:
        return planned.care
    return own
