"""Documents of what SCM offers: organisations, domains and profiles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from certline.models.documents.projection import Document, account_name, for_users, made, of


def _days_left(last_day: date | None) -> int | None:
    """Return the days until a last day, by UTC; negative if it is over."""
    return None if last_day is None else (last_day - datetime.now(UTC).date()).days


class OrganizationDocument(Document):
    """An organisation, or a department with its parent."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    parent_id: int | None
    parent_name: str | None
    orders: str | None
    cert_types: list[Any] | None
    synced_at: datetime
    gone_at: datetime | None
    account_id: int = for_users()


class DomainDocument(Document):
    """A domain. `certificates`: active ones with names below it, where they were counted."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    state: str | None
    delegation_status: str | None
    validation_status: str | None
    validation_method: str | None
    validation_expires: date | None
    days_left: int | None = made(lambda row: _days_left(row.validation_expires))
    certificates: int | None = of("certificates", default=None)
    delegations: list[Any]
    synced_at: datetime
    gone_at: datetime | None
    account_id: int = for_users()


class ProfileDocument(Document):
    """A certificate profile."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    status: str
    description: str | None
    terms: list[Any]
    key_types: dict[str, Any]
    synced_at: datetime
    gone_at: datetime | None
    account_id: int = for_users()


class PlannedValidationDocument(Document):
    """A validation as it would be done. `command_id`: of the validation that is under way already."""

    account: str
    domain: str
    method: str
    dns: str | None
    expires: date | None
    command_id: str | None = made(lambda row: None if row.going is None else row.going.id)


class DomainPlanDocument(Document):
    """A domain that is validated by itself, and the day on which it will be."""

    account: str = of("account", "name")
    domain: str
    day: date | None
    expires: date | None
    decision: str | None = made(lambda row: row.verdict[0].value if row.verdict else None)
    reason: str | None = made(lambda row: row.verdict[1] if row.verdict else None)


class ValidationDecisionDocument(Document):
    """A decision about a domain whose validation was due."""

    id: str
    account: str | None = account_name()
    domain: str
    decision: str
    reason: str | None
    planned: date | None
    expires: date | None
    command_id: str | None
    decided_at: datetime
    account_id: int = for_users()
