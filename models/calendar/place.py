"""Filter of the calendar: of which account, organisation and profile it is."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from certline.models.certificates.certificate import Certificate


@dataclass(frozen=True)
class CalendarFilter:
    """Which certificates the calendar is of; None does not apply. `organizations`, `profiles`: SCM's ids."""

    account_id: int | None = None
    organizations: tuple[int, ...] | None = None
    profiles: tuple[int, ...] | None = None


def of_certificates(wanted: CalendarFilter) -> list[ColumnElement[bool]]:
    """Return the conditions that a certificate meets."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.account_id is not None:
        conditions.append(Certificate.account_id == wanted.account_id)
    if wanted.organizations is not None:
        conditions.append(Certificate.organization_id.in_(wanted.organizations))
    if wanted.profiles is not None:
        conditions.append(Certificate.profile_id.in_(wanted.profiles))
    return conditions
