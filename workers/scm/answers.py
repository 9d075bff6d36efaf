"""Values read from SCM's responses. An absent key, null and "" are treated alike: all become "" or None."""

from dataclasses import dataclass
from datetime import date, datetime

from certline.workers.scm.status import PasswordState, ScmStatus


@dataclass(frozen=True)
class ScmDepartment:
    """A department of an organisation; its id is valid wherever an organisation's id is."""

    id: int
    name: str


@dataclass(frozen=True)
class ScmOrganization:
    """An organisation with the departments visible to this account."""

    id: int
    name: str
    departments: tuple[ScmDepartment, ...] = ()


@dataclass(frozen=True)
class OrganizationDetails:
    """An organisation's record, including whether it may order certificates, and over the REST API."""

    id: int
    name: str
    secondary_name: str = ""
    cert_types: tuple[str, ...] = ()  # must contain "SSL" before it may order
    ssl_api_enabled: bool | None = None  # None: SCM doesn't say
    validation_status: str = ""  # deprecated by SCM
    contact_emails: tuple[str, ...] = ()
    departments: tuple[ScmDepartment, ...] = ()


@dataclass(frozen=True)
class Password:
    """State of our own password; `expires` is None where SCM gives no date."""

    state: PasswordState
    expires: date | None = None


@dataclass(frozen=True)
class AdminRow:
    """An administrator as returned by the list."""

    id: int
    login: str


@dataclass(frozen=True)
class AdminRecord:
    """An administrator's record with type, roles and privileges, in SCM's words as sent."""

    id: int
    login: str
    type: str = ""  # STANDARD, API, IDP, SAS; "" where SCM doesn't say
    roles: tuple[str, ...] = ()  # MRAO, RAO_SSL, DRAO_SSL, …
    privileges: tuple[str, ...] | None = None  # None: SCM doesn't say


@dataclass(frozen=True)
class DomainRow:
    """A domain as returned by the list."""

    id: int
    name: str


@dataclass(frozen=True)
class ScmDelegation:
    """A delegation of a domain to an organisation.

    `cert_types` are the types the organisation may order, `privileges` the names: DOMAIN, SUBDOMAIN or a wildcard.
    """

    org_id: int
    cert_types: tuple[str, ...]
    privileges: tuple[str, ...]
    status: str


@dataclass(frozen=True)
class ScmDomain:
    """A domain with its validation. States are SCM's words as sent; validation fields are "" if DCV is off."""

    id: int
    name: str
    state: str
    delegation_status: str
    validation_status: str
    validation_method: str
    dcv_expiration: date | None
    delegations: tuple[ScmDelegation, ...] = ()
    dcv_validation: date | None = None


@dataclass(frozen=True)
class ScmValidation:
    """State of a domain's validation (DCV), in SCM's words as sent."""

    domain: str
    status: str  # NOT_VALIDATED, VALIDATED, EXPIRED
    method: str
    order_status: str  # NOT_INITIATED, AWAITING_SUBMISSION, SUBMITTED, REJECTED
    order_method: str
    expires: date | None


@dataclass(frozen=True)
class ScmProfile:
    """A certificate profile: terms in days, key sizes by algorithm (`{"EC": ("P-256",)}`)."""

    id: int
    name: str
    description: str
    terms: tuple[int, ...]
    key_types: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class ScmCustomField:
    """A custom field that the customer has added to orders."""

    id: int
    name: str
    mandatory: bool


@dataclass(frozen=True)
class Enrolled:
    """Ids of an accepted order. Only this response contains `renew_id`; the details don't."""

    ssl_id: int
    renew_id: str | None


@dataclass(frozen=True)
class CertificateRow:
    """A certificate as returned by the list: no status, and no serial number before it is issued."""

    ssl_id: int
    common_name: str = ""
    sans: tuple[str, ...] = ()
    serial_number: str | None = None  # hex: no colons, lower case, no leading zeros


@dataclass(frozen=True)
class CertificatePage:
    """A page of the certificate list; `total` counts the rows of all pages, None if SCM doesn't say."""

    rows: tuple[CertificateRow, ...]
    total: int | None


@dataclass(frozen=True)
class Details:
    """A certificate's record. Dates are SCM's and have no time zone; rely on those in the certificate."""

    ssl_id: int
    status: str  # as sent
    state: ScmStatus
    common_name: str = ""
    org_id: int | None = None
    profile_id: int | None = None
    profile_name: str = ""
    term: int | None = None  # days
    serial_number: str | None = None  # hex: no colons, lower case, no leading zeros
    sans: tuple[str, ...] = ()
    comments: str = ""
    external_requester: str = ""
    requested: date | None = None
    issued: date | None = None
    expires: date | None = None
    replaced: date | None = None
    revoked: date | None = None
    renewed: bool = False
    backend_cert_id: str | None = None
    key_type: str = ""  # "EC - P-256"
    auto_renew_state: str = ""  # "Not scheduled", "Scheduled", …
    auto_renew_days: int | None = None  # before expiry
    approved: date | None = None
    declined: date | None = None
    renewed_date: date | None = None
    requester: str = ""
    requested_via: str = ""
    reason_code: str = ""  # of the revocation: a number or a word, depending on SCM's version
    custom_fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ReportRow:
    """A certificate as returned by the report. Its times are in UTC."""

    ssl_id: int
    status: str  # as sent
    state: ScmStatus
    common_name: str = ""
    org_id: int | None = None
    organization_name: str = ""
    profile_id: int | None = None
    profile_name: str = ""
    term: int | None = None  # days
    serial_number: str | None = None  # hex: no colons, lower case, no leading zeros
    sans: tuple[str, ...] = ()
    comments: str = ""
    external_requester: str = ""
    requester: str = ""
    approver: str = ""
    requested_via: str = ""
    issuer: str = ""
    backend_cert_id: str | None = None
    key_type: str = ""
    requested: datetime | None = None
    approved: datetime | None = None
    declined: datetime | None = None
    downloaded: datetime | None = None
    expires: datetime | None = None
    replaced: datetime | None = None
    revoked: datetime | None = None
    custom_fields: tuple[tuple[str, str], ...] = ()
