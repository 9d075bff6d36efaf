"""Document of an order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, for_users, of

if TYPE_CHECKING:
    from certline.models.states import OrderKind, OrderStatus


class OrderDocument(Document):
    """An order."""

    id: str
    account: str = of("account", "name")
    scm_id: int | None
    kind: OrderKind
    status: OrderStatus
    scm_status: str | None
    common_name: str
    sans: list[str]
    organization: str = of("organization_name")
    profile: str = of("profile_name")
    term: int | None
    key_algorithm: str | None
    key_size: str | None
    keystore_type: str
    comments: str
    external_requesters: list[str]
    certificate_id: str | None
    requested_by: str
    created_at: datetime
    updated_at: datetime
    error: str | None
    account_id: int = for_users()
    organization_id: int = for_users()
    profile_id: int = for_users()
    key_id: str | None = for_users()
    custom_fields: dict[str, Any] = for_users()
    predecessor_id: str | None = for_users()
    reason: str | None = for_users()
    command_id: str | None = for_users()
    sent_at: datetime | None = for_users()
    attempts: int = for_users()
    polls: int = for_users()
