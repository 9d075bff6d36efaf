"""Documents of rows; the JSON keys are a fixed contract, and no document contains a secret."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from certline.cli.ui.projection import Document, account_name, for_users, made, of

if TYPE_CHECKING:
    from certline.models import AccountStatus, DeadLetterStatus, LoginKind
    from certline.models.states import (
        CertificateStatus,
        CommandStatus,
        CommandType,
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
    verified_at: datetime | None
    synced_at: datetime | None
    created_at: datetime


class OrganizationDocument(Document):
    """An organisation, or a department with its parent."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    parent_id: int | None
    parent_name: str | None
    orders: str | None
    cert_types: list[Any] | None
    synced_at: datetime
    gone_at: datetime | None


class DomainDocument(Document):
    """A domain."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    state: str | None
    delegation_status: str | None
    validation_status: str | None
    validation_method: str | None
    validation_expires: date | None
    delegations: list[Any]
    synced_at: datetime
    gone_at: datetime | None


class ProfileDocument(Document):
    """A certificate profile."""

    id: int = of("scm_id")
    account: str | None = account_name()
    name: str
    status: str
    description: str | None
    terms: list[Any]
    key_types: dict[str, Any]
    synced_at: datetime
    gone_at: datetime | None


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
    account_id: int = for_users()
    keystore_type: str = for_users()
    revoked_at: datetime | None = for_users()
    revocation_reason: str | None = for_users()


class CommandDocument(Document):
    """A command."""

    id: str
    type: CommandType
    status: CommandStatus
    subject: str | None
    requested_by: str
    source: str
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] | None
    error: str | None
    trace_id: str | None
    not_before: datetime = for_users()
    claimed: str | None = for_users()


class DeadLetterDocument(Document):
    """A dead letter, without its message."""

    id: str
    source: str
    status: DeadLetterStatus
    reason: str
    command_id: str | None
    message_id: str | None = made(lambda row: row.message_id or None)
    attempts: int
    sha256: str
    received_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None
    properties: dict[str, Any] = for_users()


class EventDocument(Document):
    """An audit entry."""

    id: int
    at: datetime
    who: str
    claimed: str | None
    what: str = of("type")
    subject: str
    why: str | None
    command_id: str | None
    data: dict[str, Any]


class BreakDocument(Document):
    """A place where the audit log was altered; `entry` is the number in the chain."""

    kind: str
    entry: int | None = of("seq")
    event_id: int | None
    message: str = of("text")


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

    capacity: int = of("use", "capacity")
    used: int = of("use", "used")
    held: int = of("use", "held")
    available: int = of("use", "available")
    valid_until: date | None = of("use", "valid_until")
    days_left: int | None = of("use", "days_left")
    in_flight: int
    new_orders_per_day: float = made(lambda row: round(row.per_day, 2))
    runs_out_at: datetime | None


class ScheduleDocument(Document):
    """A schedule; `last_fired_at` is given beside the row, and else None."""

    name: str
    cron: str
    tz: str
    enabled: bool
    next_due: datetime
    last_fired_at: datetime | None = of(default=None)


class HookDocument(Document):
    """A deploy hook."""

    name: str
    events: list[str]
    command: str | None
    directory: str | None
    common_name: str | None
    account: str | None = account_name()
    timeout: int
    created_by: str
    created_at: datetime


class HookRunDocument(Document):
    """A run of a deploy hook (a command) with the result of its last try."""

    id: str
    hook: str = of("payload", "name")
    certificate_id: str = of("payload", "certificate")
    common_name: str = of("payload", "common_name")
    status: CommandStatus
    outcome: Any = of("result", "outcome", default=None)
    attempts: int
    not_before: datetime
    exit_code: Any = of("result", "exit_code", default=None)
    output: Any = of("result", "output", default=None)
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
