"""Document of an account."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document

if TYPE_CHECKING:
    from certline.models import AccountStatus, LoginKind


class AccountDocument(Document):
    """An account, without its secret."""

    name: str
    url: str
    login_kind: LoginKind
    customer_uri: str | None
    login: str
    status: AccountStatus
    status_reason: str | None
    verified_at: datetime | None
    synced_at: datetime | None
    created_at: datetime
