"""JSON documents of one domain: its validations, what it needs, and what is being done."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, account_name, instant

if TYPE_CHECKING:
    from certline.models.domains.detail import DomainDetail
    from certline.models.domains.forecast import DomainForecast, ValidationOutlook
    from certline.models.overview.attendance import Attendance


class ValidationDocument(Document):
    """A validation of a domain. `before`: the last day of the one before it, `expires` that of this one.

    `proof_name`, `proof_value`: what has to be found; `said`: what the last look has found; `proof_at`: where the
    provider `dns` has put it. `waits_for`: in words; `by_hand`: a person puts the proof in place.
    """

    id: str
    account: str | None = account_name()
    domain: str
    method: str
    dns: str | None
    email: str | None
    stage: str
    stage_since: datetime
    waits_for: str | None
    needs_person: bool
    by_hand: bool
    tries: int
    outcome: str | None
    error: str | None
    proof_name: str | None
    proof_value: str | None
    proof_at: str | None
    said: str | None
    before: date | None
    expires: date | None
    command_id: str
    requested_by: str
    begun_at: datetime
    published_at: datetime | None
    seen_at: datetime | None
    submitted_at: datetime | None
    ended_at: datetime | None


def day_or_none(day: date) -> str | None:
    """Return a last day as a text; None for a domain that was never validated, or whose validation has no end."""
    return None if day in (date.min, date.max) else day.isoformat()


def attendance_document(care: Attendance) -> dict[str, Any]:
    """Return what is being done about a domain."""
    return {
        "renewal": care.care,
        "begins": instant(care.begins),
        "validation_id": None if care.validation is None else care.validation.id,
        "stage": None if care.validation is None else care.validation.stage.value,
    }


def detail_document(
    found: DomainDetail,
    care: Attendance,
    certificates: int,
    outlook: ValidationOutlook,
    ahead: DomainForecast | None,
) -> dict[str, Any]:
    """Return a domain with its validation, and what depends on it. `ahead`: None if it reaches all renewals."""
    own, longest, names = found.row, found.longest, {found.account.id: found.account.name}
    refused = 0 if ahead is None else ahead.refused.total()
    going = care.validation
    return {
        "domain": found.name,
        "validated_with": found.validated_with,
        "account": found.account.name,
        "state": own.state,
        "suspended": found.suspended,
        "delegation_status": own.delegation_status,
        "delegations": own.delegations,
        "validation_status": longest.validation_status,
        "validation_method": longest.validation_method,
        "validation_expires": None
        if longest.validation_expires is None
        else longest.validation_expires.isoformat(),
        "last_day": day_or_none(found.last_day),
        "days_left": None
        if day_or_none(found.last_day) is None
        else (found.last_day - found.today).days,
        "certificates": certificates,
        "renewals_before_its_end": outlook.renewals - refused,
        "renewals_after_its_end": refused,
        "first_refused": None if ahead is None else ahead.first.isoformat(),
        "common_names": [] if ahead is None else ahead.names,
        "begin_by": None if ahead is None else ahead.begin_by.isoformat(),
        **attendance_document(care),
        "next_try_at": instant(found.next_try),
        "auto_validate": found.automation.applies,
        "auto_validate_days": found.automation.days if found.automation.applies else None,
        "validation": None if going is None else ValidationDocument.of(going, names).as_dict(),
        "validations": [ValidationDocument.of(each, names).as_dict() for each in found.validations],
        "synced_at": instant(own.synced_at),
        "gone_at": instant(own.gone_at),
    }
