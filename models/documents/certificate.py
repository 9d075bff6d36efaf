"""Document of a certificate."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from certline.models.documents.projection import Document, for_users, made, of

if TYPE_CHECKING:
    from certline.models.states import CertificateStatus


class CertificateDocument(Document):
    """A certificate's properties; the certificate itself is returned by `export`."""

    id: str
    order_id: str
    line_id: str
    scm_id: int
    status: CertificateStatus
    common_name: str
    sans: list[str]
    serial_number: str
    sha256_fingerprint: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key_algorithm: str
    key_size: str
    has_private_key: bool = made(lambda row: row.key_id is not None)
    auto_renew: bool
    renews_at: datetime | None
    supersedes: str | None = of("supersedes_id")
    other_names: list[str]
    key_lost: bool = for_users()
    account_id: int = for_users()
    keystore_type: str = for_users()
    revoked_at: datetime | None = for_users()
    revocation_reason: str | None = for_users()
