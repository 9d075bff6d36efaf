"""Documents of what SCM offers: organisations, domains and profiles."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, account_name, for_users, made, of

if TYPE_CHECKING:
    from certline.models.domains.validation import Validation


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
    """A domain. `certificates`: active ones with names below it, where they were counted.

    `validation_id`, `stage`, `waits_for` and `needs_person`: of the validation under way that covers it.
    """

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
    validation_id: str | None = of("validation_id", default=None)
    stage: str | None = of("stage", default=None)
    waits_for: str | None = of("waits_for", default=None)
    needs_person: bool | None = of("needs_person", default=None)
    delegations: list[Any]
    synced_at: datetime
    gone_at: datetime | None
    account_id: int = for_users()


def of_validation(going: Validation | None) -> dict[str, Any]:
    """Return the fields of a domain's document about the validation under way that covers it."""
    if going is None:
        return {}
    return {
        "validation_id": going.id,
        "stage": going.stage,
        "waits_for": going.waits_for,
        "needs_person": going.needs_person,
    }


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
    """A validation as it would be done. `command_id`: of the validation that is under way already; `lasts`:
    nothing would be done, since the present validation lasts for longer than `within`.
    """

    account: str
    domain: str
    method: str
    dns: str | None
    expires: date | None
    command_id: str | None = made(lambda row: None if row.going is None else row.going.id)
    lasts: bool


class CancelledValidationDocument(Document):
    """A validation that was cancelled. `withdraws`: a worker takes its proof away; `proof`: what becomes of it, in
    words; `at_scm`: what remains there; `commands`: those that end with it.
    """

    account: str
    domain: str
    validation_id: str | None
    withdraws: bool
    proof: str
    at_scm: str
    commands: list[str]


class DomainPlanDocument(Document):
    """A domain that is validated by itself, and the day on which it will be. `dns`: the provider that will put its
    proof in place; null: a person, unless an alias leads into a provider's zone.
    """

    account: str = of("account", "name")
    domain: str
    day: date | None
    expires: date | None
    decision: str | None = made(lambda row: row.verdict[0].value if row.verdict else None)
    reason: str | None = made(lambda row: row.verdict[1] if row.verdict else None)
    dns: str | None = of("dns", default=None)


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
