"""Records of certificates in the simulated SCM, from the order to expiry."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509

from certline.simulator.state.csr import Key
from certline.simulator.state.customer_parts import SimProfile

INIT = "Init"
REQUESTED = "Requested"  # waits for an administrator
APPROVED = "Approved"
APPLIED = "Applied"  # being processed by the CA
ISSUED = "Issued"
REVOKED = "Revoked"
EXPIRED = "Expired"
DECLINED = "Declined"  # by an administrator
REJECTED = "Rejected"  # by the CA
INVALID = "Invalid"
SA_APPROVED = "SAApproved"
REPLACED = "Replaced"

PENDING = {INIT, REQUESTED, APPROVED, SA_APPROVED, APPLIED}
EDITABLE = {REQUESTED, DECLINED, REJECTED, INVALID}
# Statuses in which no certificate was ever issued.
WITHOUT_CERTIFICATE = PENDING | EDITABLE
STATUSES = PENDING | EDITABLE | {ISSUED, REVOKED, EXPIRED, REPLACED, "Unmanaged"}


@dataclass
class Issue:
    """A certificate issued by the CA. It is signed only when first read, which makes seeding a fleet fast."""

    serial: int
    not_before: datetime
    not_after: datetime
    key: Key
    names: tuple[str, ...]
    certificate: x509.Certificate | None = None
    revoked_at: datetime | None = None
    reason_code: int = 0

    def revoke(self, moment: datetime, reason_code: int) -> None:
        """Mark the certificate as revoked by the CA, so that its CRL lists it."""
        self.revoked_at, self.reason_code = moment, reason_code

    @cached_property
    def colon_serial(self) -> str:
        """Serial number in SCM's form, `3C:91:0E`, with 16 octets as used by the CA."""
        return self.serial.to_bytes(16).hex(":").upper()

    def is_numbered(self, sent: str) -> bool:
        """Return True if `sent` is this serial number, with or without colons and leading zeros."""
        return f"{self.serial:x}" == sent.replace(":", "").lower().lstrip("0")


@dataclass(slots=True)
class Record:
    """A certificate's record in SCM. Its id stays the same when the certificate is replaced."""

    ssl_id: int
    renew_id: str
    org_id: int
    profile: SimProfile
    term: int
    common_name: str
    sans: tuple[str, ...]
    key: Key
    requested_at: datetime
    requester: str
    external_requester: str | None = None
    comments: str | None = None
    custom_fields: tuple[tuple[str, str], ...] = ()
    requested_via: str = "REST API"

    status: str = INIT
    owner: str | None = None
    order_number: int | None = None
    approved_at: datetime | None = None
    applied_at: datetime | None = None
    issued_at: datetime | None = None
    declined_at: datetime | None = None
    replaced_at: datetime | None = None
    revoked_at: datetime | None = None
    renewed_at: datetime | None = None
    reason_code: int | None = None
    renewed: bool = False
    issue: Issue | None = None
    earlier: list[Issue] = field(default_factory=list)

    auto_renew_state: str = "Not scheduled"
    auto_renew_days: int | None = None
    suspend_notifications: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All names, each once, with the common name first."""
        return tuple(dict.fromkeys((self.common_name, *self.sans)))

    @property
    def shown_names(self) -> tuple[str, ...]:
        """Alternative names: those of the order or, once issued, those in the certificate."""
        return self.issue.names if self.issue else self.sans

    @property
    def imported(self) -> bool:
        """True if the record was imported or discovered; only such a record may be deleted."""
        return self.requested_via in {"Imported", "Discovery"}
