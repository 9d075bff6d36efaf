"""Documents of what SCM offers: organisations, domains and profiles."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from certline.models.documents.projection import Document, account_name, for_users, of


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
    """A domain."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    state: str | None
    delegation_status: str | None
    validation_status: str | None
    validation_method: str | None
    validation_expires: date | None
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
