"""What depends on a domain's validation: its certificates and their renewals, and what is planned about it.

Counting takes longer the more certificates there are below the domain, so all viewers share the numbers a while.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from certline.board.web.page_request import PageRequest
from certline.models.calendar.validations import forecast_validations
from certline.models.certificates.below import certificates_below
from certline.models.domains.detail import DomainDetail
from certline.models.domains.forecast import DomainForecast, ValidationOutlook
from certline.models.overview.attendance import UNATTENDED, Attendance, attendances
from certline.producers.domains.care import care_of_domains

# Days ahead in which the next renewal of every certificate lies.
AHEAD = 400
# Seconds for which a page waits for the numbers; without them it says that they are being counted.
PATIENCE = 0.03


@dataclass(frozen=True)
class Dependence:
    """What depends on a domain. `ahead`: None if its validation reaches all renewals; `care`: with plans."""

    certificates: int
    outlook: ValidationOutlook
    ahead: DomainForecast | None
    care: Attendance


def dependence_of(asked: PageRequest, found: DomainDetail, *, at_once: bool) -> Dependence | None:
    """Return what depends on a domain; None if it is wanted `at_once` and still being counted."""
    key, kept = (found.account.id, found.validated_with), asked.board.kept
    # Counted anew once it is validated, or another validation has begun.
    newest = found.validations[0].id if found.validations else None
    name = ("domain", *key, found.last_day, newest)
    if at_once:
        return kept.soon(name, lambda db: _count(db, key), PATIENCE)
    return kept.get(asked.db, name, lambda db: _count(db, key))


def care_now(asked: PageRequest, found: DomainDetail, planned: Dependence | None) -> Attendance:
    """Return what is being done at this moment; what is `planned` by itself may be some minutes old."""
    key = (found.account.id, found.validated_with)
    own = attendances(asked.db).get(key, UNATTENDED)
    if own is UNATTENDED and planned is not None and planned.care.validation is None:
        return planned.care
    return own


def _count(db: Session, key: tuple[int, str]) -> Dependence:
    account_id, domain = key
    outlook = forecast_validations(
        db, days=AHEAD, below=domain, account_id=account_id, next_only=True
    )
    each = (each for each in outlook.domains() if (each.account_id, each.domain) == key)
    planned = care_of_domains(db).get(key, UNATTENDED)
    return Dependence(certificates_below(db, [key]).get(key, 0), outlook, next(each, None), planned)
