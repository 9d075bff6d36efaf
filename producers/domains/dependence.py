"""What depends on a domain's validation: its certificates and their renewals, and what is planned about it."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from certline.models.calendar.validations import forecast_validations
from certline.models.certificates.below import DomainKey, certificates_below
from certline.models.domains.forecast import DomainForecast, ValidationOutlook
from certline.models.overview.attendance import UNATTENDED, Attendance
from certline.producers.domains.care import care_of_domains

# Days ahead in which the next renewal of every certificate lies.
AHEAD = 400


@dataclass(frozen=True)
class Dependence:
    """What depends on a domain. `ahead`: None if its validation reaches all renewals; `care`: with plans.

    `certificates`: active ones with a name at or below it; `outlook`: of their next renewals.
    """

    certificates: int
    outlook: ValidationOutlook
    ahead: DomainForecast | None
    care: Attendance


def dependence_of(db: Session, domain: DomainKey) -> Dependence:
    """Find out what depends on a domain; it takes longer the more certificates there are below it."""
    account_id, name = domain
    outlook = forecast_validations(
        db, days=AHEAD, below=name, account_id=account_id, next_only=True
    )
    its = (each for each in outlook.domains() if (each.account_id, each.domain) == domain)
    return Dependence(
        certificates=certificates_below(db, [domain])[domain],
        outlook=outlook,
        ahead=next(its, None),
        care=care_of_domains(db).get(domain, UNATTENDED),
    )
