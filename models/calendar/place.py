"""Filter of the calendar: of which account, organisation and profile it is."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement

from certline.models.certificates.certificate import Certificate


@dataclass(frozen=True)
class CalendarFilter:
    """Which certificates the calendar is of; None does not apply. `organization`, `profile`: SCM's ids."""

    account_id: int | None = None
    organization: int | None = None
    profile: int | None = None


def of_certificates(wanted: CalendarFilter) -> list[ColumnElement[bool]]:
    """Return the conditions that a certificate meets."""
    pairs = (
        (Certificate.account_id, wanted.account_id),
        (Certificate.organization_id, wanted.organization),
        (Certificate.profile_id, wanted.profile),
    )
    return [column == value for column, value in pairs if value is not None]
