"""One certificate as SCM keeps it, from the order to its end."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cryptography import x509

from certline.simulator.state.csr import Key
from certline.simulator.state.customer_parts import Profile

INIT = "Init"
REQUESTED = "Requested"  # waits for an administrator
APPROVED = "Approved"
APPLIED = "Applied"  # the CA works on it
ISSUED = "Issued"
REVOKED = "Revoked"
EXPIRED = "Expired"
DECLINED = "Declined"  # an administrator said no
REJECTED = "Rejected"  # the CA said no
INVALID = "Invalid"
SA_APPROVED = "SAApproved"
REPLACED = "Replaced"

PENDING = {INIT, REQUESTED, APPROVED, SA_APPROVED, APPLIED}
EDITABLE = {REQUESTED, DECLINED, REJECTED, INVALID}
# Nothing was ever issued to these.
WITHOUT_CERTIFICATE = PENDING | EDITABLE
STATUSES = PENDING | EDITABLE | {ISSUED, REVOKED, EXPIRED, REPLACED, "Unmanaged"}


@dataclass
class Issue:
    """What the CA made of an order. It is signed when somebody first looks at it."""

    serial: int
    not_before: datetime
    not_after: datetime
    key: Key
    names: tuple[str, ...]
    certificate: x509.Certificate | None = None
    revoked_at: datetime | None = None
    reason_code: int = 0

    def revoke(self, moment: datetime, reason_code: int) -> None:
        """Have the CA put it on its list of revoked ones."""
        self.revoked_at, self.reason_code = moment, reason_code

    @cached_property
    def colon_serial(self) -> str:
        """The serial number as SCM writes it: `3C:91:0E`, in as many octets as the CA uses."""
        return self.serial.to_bytes(16).hex(":").upper()

    def is_numbered(self, sent: str) -> bool:
        """Whether that is its serial number, with or without colons and leading zeros."""
        return f"{self.serial:x}" == sent.replace(":", "").lower().lstrip("0")


@dataclass(slots=True)
class Record:
    """A certificate in SCM. Its id stays the same when it is replaced."""

    ssl_id: int
    renew_id: str
    org_id: int
    profile: Profile
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
        """Every name once, the common name first."""
        return tuple(dict.fromkeys((self.common_name, *self.sans)))

    @property
    def shown_names(self) -> tuple[str, ...]:
        """The alternative names: those asked for and, once issued, those in the certificate."""
        return self.issue.names if self.issue else self.sans

    @property
    def imported(self) -> bool:
        """Whether it came from elsewhere; only such a record may be deleted."""
        return self.requested_via in {"Imported", "Discovery"}
