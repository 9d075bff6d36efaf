"""Care of domains: what is being done about each one's validation, and what is planned by itself."""

from datetime import UTC, datetime, time

from sqlalchemy.orm import Session

from certline.models.overview.attendance import Attendance, attendances
from certline.models.states import Decision
from certline.producers.domains.automatic import plan_domains


def care_of_domains(db: Session) -> dict[tuple[int, str], Attendance]:
    """Return what is being done, by account id and domain; a domain about which nothing is done is left out.

    A domain that is validated by itself is planned, unless an operator has to act first.
    """
    found = attendances(db)
    for each in plan_domains(db):
        key = (each.account.id, each.domain)
        refused = each.verdict is not None and each.verdict[0] is Decision.REFUSED
        if each.day is not None and not refused and key not in found:
            begins = datetime.combine(each.day, time(), UTC)
            found[key] = Attendance("planned", begins=begins)
    return found
