"""What we send to SCM, as values."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum


@dataclass(frozen=True)
class Enrolment:
    """An order. `term` in days, one of the profile's; `sans` count, those of the CSR don't.

    `common_name` isn't sent: SCM takes it from the CSR and has no field for it here.
    """

    org_id: int
    profile_id: int
    term: int
    csr: str
    common_name: str | None = None
    sans: tuple[str, ...] = ()
    comments: str = ""
    external_requesters: tuple[str, ...] = ()
    custom_fields: tuple[tuple[str, str], ...] = ()


class RevocationReason(IntEnum):
    """Why a certificate is revoked; the numbers are those of RFC 5280 that SCM takes."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5


@dataclass(frozen=True)
class AutoRenew:
    """What SCM's own renewal is to do; `days` before the expiry, SCM's default where None."""

    scheduled: bool
    days: int | None = None


@dataclass(frozen=True)
class CertificateFilter:
    """Which certificates to list; what is None isn't asked for.

    Whether a text must match as a whole isn't documented, so compare what comes back. The words of
    `install_status`, `renewal_status` and `requested_via` differ between SCM's hosts
    (`NOT_SCHEDULED`, "Not scheduled"). SCM can't filter by comments, custom fields or dates.
    """

    common_name: str | None = None
    subject_alternative_name: str | None = None
    status: str | None = None  # a ScmStatus, or a word of the host's own
    profile_id: int | None = None
    org_id: int | None = None  # an organisation's or a department's
    vendor: str | None = None
    issuer: str | None = None
    serial_number: str | None = None  # sent as given; details write "AB:CD:…"
    requester: str | None = None
    external_requester: str | None = None
    signature_algorithm: str | None = None
    key_algorithm: str | None = None
    key_param: str | None = None
    key_size: int | None = None  # deprecated by SCM
    sha1_hash: str | None = None
    md5_hash: str | None = None
    sha256_hash: str | None = None
    key_usage: str | None = None
    extended_key_usage: str | None = None
    install_status: str | None = None
    renewal_status: str | None = None
    requested_via: str | None = None
    discovery_status: str | None = None  # deprecated by SCM


class ReportDate(IntEnum):
    """Which date a report's `start` and `end` are about."""

    REVOCATION = 2
    EXPIRATION = 3
    REQUEST = 4
    ISSUANCE = 5


class ReportStatus(IntEnum):
    """Which certificates a report has."""

    ANY = 0
    REQUESTED = 1
    ISSUED = 2
    REVOKED = 3
    EXPIRED = 4


class RequestSource(IntEnum):
    """How the certificates of a report were asked for; SCM knows more than these."""

    ACME = 10
    REST = 12


@dataclass(frozen=True)
class ReportQuery:
    """Which rows a report has: from `start` to `end`, which is later. What is None isn't asked for.

    SCM's zone for a day isn't documented: allow a day on both sides.
    """

    start: date | None = None
    end: date | None = None
    about: ReportDate | None = None
    status: ReportStatus = ReportStatus.ANY  # always sent: SCM is said to refuse an empty body
    organization_ids: tuple[int, ...] = ()
    common_name: str | None = None  # a pattern
    external_requester: str | None = None  # a pattern that minds upper and lower case
    source: RequestSource | None = None
