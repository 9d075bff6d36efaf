"""Values that are sent to SCM: orders, filters and report queries."""

import re
from dataclasses import dataclass
from datetime import date
from enum import IntEnum


@dataclass(frozen=True)
class Enrolment:
    """A new order. `term` is in days and must be one of the profile's.

    SCM uses `sans` and ignores the alternative names in the CSR. `common_name` isn't sent: SCM takes it from
    the CSR, and its enrol request has no field for it.
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
    """Revocation reasons: those codes of RFC 5280 that SCM accepts."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5


def reason_word(code: str) -> str:
    """Return SCM's revocation reason, a number or a word, in the spelling of our commands and events."""
    names = {str(reason.value): reason.name for reason in RevocationReason}
    return "-".join(re.split(r"[\s_-]+", names.get(code, code or "unspecified").strip().lower()))


@dataclass(frozen=True)
class AutoRenew:
    """Setting of SCM's own automatic renewal; `days` before expiry, None for SCM's default."""

    scheduled: bool
    days: int | None = None


@dataclass(frozen=True)
class CertificateFilter:
    """Filter for the certificate list; a field that is None isn't sent.

    SCM's documentation doesn't say whether texts match as a whole or as substrings, so check the rows returned.
    The words for `install_status`, `renewal_status` and `requested_via` differ between SCM's hosts
    (`NOT_SCHEDULED`, "Not scheduled"). SCM can't filter by comments, custom fields or dates.
    """

    common_name: str | None = None
    subject_alternative_name: str | None = None
    status: str | None = None  # a ScmStatus, or a word specific to the host
    profile_id: int | None = None
    org_id: int | None = None  # an organisation's or a department's
    vendor: str | None = None
    issuer: str | None = None
    serial_number: str | None = None  # sent as given; the details have the form "AB:CD:…"
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
    """The date that a report's `start` and `end` apply to (SCM's certificateDateAttribute)."""

    REVOCATION = 2
    EXPIRATION = 3
    REQUEST = 4
    ISSUANCE = 5


class ReportStatus(IntEnum):
    """Certificate status that a report selects (SCM's certificateStatus)."""

    ANY = 0
    REQUESTED = 1
    ISSUED = 2
    REVOKED = 3
    EXPIRED = 4


class RequestSource(IntEnum):
    """Channel through which a report's certificates were requested; SCM has more than these two."""

    ACME = 10
    REST = 12


@dataclass(frozen=True)
class ReportQuery:
    """Conditions for the rows of a report. A field that is None isn't sent; `end` must be later than `start`.

    SCM doesn't document the time zone of `start` and `end`: allow for one extra day on both sides.
    """

    start: date | None = None
    end: date | None = None
    about: ReportDate | None = None
    status: ReportStatus = ReportStatus.ANY  # always sent: SCM reportedly rejects an empty body
    organization_ids: tuple[int, ...] = ()
    common_name: str | None = None  # a pattern
    external_requester: str | None = None  # a pattern, case-sensitive
    source: RequestSource | None = None
