"""Documents of rows; the JSON keys are a fixed contract, and no document contains a secret."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, AliasPath, BeforeValidator, Field, PlainSerializer

from certline.cli.ui.projection import AccountName, Document, ForUsers, Instant
from certline.models import (
    AccountStatus,
    CertificateStatus,
    CommandStatus,
    CommandType,
    DeadLetterStatus,
    LoginKind,
    OrderKind,
    OrderStatus,
)


class AccountDocument(Document):
    """An account, without its secret."""

    name: str
    url: str
    login_kind: LoginKind
    customer_uri: str | None
    login: str
    status: AccountStatus
    status_reason: str | None
    verified_at: Instant | None
    synced_at: Instant | None
    created_at: Instant


class OrganizationDocument(Document):
    """An organisation, or a department with its parent."""

    id: int = Field(validation_alias="scm_id")
    account: AccountName = Field(validation_alias="account_id")
    name: str
    parent_id: int | None
    parent_name: str | None
    orders: str | None
    cert_types: list[Any] | None
    synced_at: Instant
    gone_at: Instant | None


class DomainDocument(Document):
    """A domain."""

    id: int = Field(validation_alias="scm_id")
    account: AccountName = Field(validation_alias="account_id")
    name: str
    state: str | None
    delegation_status: str | None
    validation_status: str | None
    validation_method: str | None
    validation_expires: date | None
    delegations: list[Any]
    synced_at: Instant
    gone_at: Instant | None


class ProfileDocument(Document):
    """A certificate profile."""

    id: int = Field(validation_alias="scm_id")
    account: AccountName = Field(validation_alias="account_id")
    name: str
    status: str
    description: str | None
    terms: list[Any]
    key_types: dict[str, Any]
    synced_at: Instant
    gone_at: Instant | None


class OrderDocument(Document):
    """An order."""

    id: str
    account: str = Field(validation_alias=AliasPath("account", "name"))
    scm_id: int | None
    kind: OrderKind
    status: OrderStatus
    scm_status: str | None
    common_name: str
    sans: list[str]
    organization: str = Field(validation_alias="organization_name")
    profile: str = Field(validation_alias="profile_name")
    term: int | None
    key_algorithm: str | None
    key_size: str | None
    keystore_type: str
    comments: str
    external_requesters: list[str]
    certificate_id: str | None
    requested_by: str
    created_at: Instant
    updated_at: Instant
    error: str | None
    account_id: ForUsers[int]
    organization_id: ForUsers[int]
    profile_id: ForUsers[int]
    key_id: ForUsers[str | None]
    custom_fields: ForUsers[dict[str, Any]]
    predecessor_id: ForUsers[str | None]
    reason: ForUsers[str | None]
    command_id: ForUsers[str | None]
    sent_at: ForUsers[Instant | None]
    attempts: ForUsers[int]
    polls: ForUsers[int]


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
    not_before: Instant
    not_after: Instant
    key_algorithm: str
    key_size: str
    has_private_key: Annotated[bool, BeforeValidator(lambda key_id: key_id is not None)] = Field(
        validation_alias="key_id"
    )
    auto_renew: bool
    renews_at: Instant | None
    supersedes: str | None = Field(validation_alias="supersedes_id")
    other_names: list[str]
    account_id: ForUsers[int]
    keystore_type: ForUsers[str]
    revoked_at: ForUsers[Instant | None]
    revocation_reason: ForUsers[str | None]


class CommandDocument(Document):
    """A command."""

    id: str
    type: CommandType
    status: CommandStatus
    subject: str | None
    requested_by: str
    source: str
    attempts: int
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    result: dict[str, Any] | None
    error: str | None
    not_before: ForUsers[Instant]
    claimed: ForUsers[str | None]


class DeadLetterDocument(Document):
    """A dead letter, without its message."""

    id: str
    source: str
    status: DeadLetterStatus
    reason: str
    command_id: str | None
    message_id: Annotated[str | None, AfterValidator(lambda text: text or None)]
    attempts: int
    sha256: str
    received_at: Instant
    decided_at: Instant | None
    decided_by: str | None
    decision: str | None
    properties: ForUsers[dict[str, Any]]


class EventDocument(Document):
    """An audit entry."""

    id: int
    at: Instant
    who: str
    claimed: str | None
    what: str = Field(validation_alias="type")
    subject: str
    why: str | None
    command_id: str | None
    data: dict[str, Any]


class BreakDocument(Document):
    """A place where the audit log was altered; `entry` is the number in the chain."""

    kind: str
    entry: int | None = Field(validation_alias="seq")
    event_id: int | None
    message: str = Field(validation_alias="text")


class LicenseDocument(Document):
    """The licence's capacity and use."""

    capacity: int
    used: int
    held: int
    available: int
    valid_until: date | None
    days_left: int | None


class OutlookDocument(Document):
    """The licence's capacity and use, and when it runs out."""

    capacity: int = Field(validation_alias=AliasPath("use", "capacity"))
    used: int = Field(validation_alias=AliasPath("use", "used"))
    held: int = Field(validation_alias=AliasPath("use", "held"))
    available: int = Field(validation_alias=AliasPath("use", "available"))
    valid_until: date | None = Field(validation_alias=AliasPath("use", "valid_until"))
    days_left: int | None = Field(validation_alias=AliasPath("use", "days_left"))
    in_flight: int
    new_orders_per_day: Annotated[float, PlainSerializer(lambda rate: round(rate, 2))] = Field(
        validation_alias="per_day"
    )
    runs_out_at: Instant | None


class ScheduleDocument(Document):
    """A schedule; `last_fired_at` is None unless it is given."""

    name: str
    cron: str
    tz: str
    enabled: bool
    next_due: Instant
    last_fired_at: Instant | None = None


class HookDocument(Document):
    """A deploy hook."""

    name: str
    events: list[str]
    command: str | None
    directory: str | None
    common_name: str | None
    account: AccountName = Field(validation_alias="account_id")
    timeout: int
    created_by: str
    created_at: Instant


class HookRunDocument(Document):
    """A run of a deploy hook (a command) with the result of its last try."""

    id: str
    hook: str = Field(validation_alias=AliasPath("payload", "name"))
    certificate_id: str = Field(validation_alias=AliasPath("payload", "certificate"))
    common_name: str = Field(validation_alias=AliasPath("payload", "common_name"))
    status: CommandStatus
    outcome: Any = Field(None, validation_alias=AliasPath("result", "outcome"))
    attempts: int
    not_before: Instant
    exit_code: Any = Field(None, validation_alias=AliasPath("result", "exit_code"))
    output: Any = Field(None, validation_alias=AliasPath("result", "output"))
    error: str | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
