"""Document of a provider of proofs, without its credentials."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from certline.models.documents.projection import Document, made

if TYPE_CHECKING:
    from certline.models import DnsProvider
    from certline.models.domains.provider import ProviderKind


def _has_credentials(row: DnsProvider) -> bool:
    return row.credentials_sealed is not None


class DnsProviderDocument(Document):
    """A provider of proofs. `settings` have nothing secret; what they are depends on the kind."""

    name: str
    kind: ProviderKind
    zones: list[str]
    settings: dict[str, Any]
    has_credentials: bool = made(_has_credentials)
    requested_by: str
    created_at: datetime
