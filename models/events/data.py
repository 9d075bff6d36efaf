"""Data of events, by type: ids and public facts, never a secret. Receivers rely on each field."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from certline.models.events.base import EventData, EventPart
from certline.models.states import CertificateStatus, OrderStatus

OrderId = Annotated[str, Field(description="certline's id of the order")]
CertificateId = Annotated[str, Field(description="certline's id of the certificate")]
AccountName = Annotated[str, Field(description="the account at SCM, by its name in certline")]
SerialNumber = Annotated[str, Field(description="serial number, hexadecimal")]
Fingerprint = Annotated[str, Field(description="SHA-256 of the certificate (DER), hexadecimal")]
NotAfter = Annotated[AwareDatetime, Field(description="when the certificate expires")]
Counted = Annotated[int, Field(ge=0)]

# Days before expiry at which `certificate.expiring` is published.
ExpiryThreshold: TypeAlias = Literal[30, 14, 7, 3, 1]
# What certline does about an expiring certificate.
RenewalState: TypeAlias = Literal["planned", "open", "waits_for_person", "nothing"]


class _AboutAnOrder(EventData):
    order_id: OrderId
    account: AccountName
    scm_id: int | None = Field(description="SCM's id of the order (sslId), once SCM has it")
    common_name: str
    sans: list[str] = Field(description="further names, without the common name")
    status: OrderStatus = Field(description="the order's status")
    certificate_id: str | None = Field(description="certline's id of its certificate, once stored")


class OrderPlaced(_AboutAnOrder):
    """An order is stored with its key and CSR; it has not been sent to SCM yet.

    In the answer to a second command for the same order it may be `sending`: it is unknown whether SCM has it.
    """

    event_type = "order.placed"
    status: Literal[OrderStatus.PLACED, OrderStatus.SENDING]


class OrderMoved(_AboutAnOrder):
    """An order has a new status; base class of the events below."""

    reason: str | None = Field(description="the reason for the new status, if there is one")


class OrderPending(OrderMoved):
    """SCM has accepted the order and has not issued the certificate yet."""

    event_type = "order.pending"
    status: Literal[OrderStatus.PENDING]


class OrderIssued(OrderMoved):
    """SCM has issued the certificate, which is fetched next. Also published when a held order continues."""

    event_type = "order.issued"
    status: Literal[OrderStatus.ISSUED]


class OrderHeld(OrderMoved):
    """SCM has issued the certificate, but no licence is free: the order is held and continues automatically."""

    event_type = "order.held"
    status: Literal[OrderStatus.HELD]


class OrderRejected(OrderMoved):
    """SCM has refused the order; the reason is SCM's."""

    event_type = "order.rejected"
    status: Literal[OrderStatus.REJECTED]


class OrderCancelled(OrderMoved):
    """The order was cancelled, or its certificate is no longer valid."""

    event_type = "order.cancelled"
    status: Literal[OrderStatus.CANCELLED]


class OrderReview(OrderMoved):
    """The outcome of the order is unclear: an operator has to decide (`certline order resolve`)."""

    event_type = "order.review"
    status: Literal[OrderStatus.REVIEW]


class OrderDeleted(_AboutAnOrder):
    """An order was deleted from certline, with its key; nothing has changed at SCM.

    An order that is deleted with its certificate has no such event: see `certificate.deleted`.
    """

    event_type = "order.deleted"


class CertificateStored(_AboutAnOrder):
    """A certificate was fetched, checked and stored. It can be exported and deployed now."""

    event_type = "certificate.stored"
    status: Literal[OrderStatus.STORED]
    certificate_id: CertificateId
    serial_number: SerialNumber
    sha256_fingerprint: Fingerprint
    not_after: NotAfter


class CertificateSucceeded(CertificateStored):
    """A successor has superseded its predecessor; base class of the two events below."""

    supersedes: str | None = Field(description="certline's id of the certificate it supersedes")
    reason: str | None = Field(description="the reason given for it, if any")


class CertificateRenewed(CertificateSucceeded):
    """A renewal has superseded its predecessor. `certificate.stored` is published for it as well."""

    event_type = "certificate.renewed"


class CertificateReissued(CertificateSucceeded):
    """A reissue has superseded its predecessor. `certificate.stored` is published for it as well."""

    event_type = "certificate.reissued"


class _AboutACertificate(EventData):
    certificate_id: CertificateId
    account: AccountName
    scm_id: int
    common_name: str
    sans: list[str]
    serial_number: SerialNumber


class CertificateRevoked(_AboutACertificate):
    """A certificate was revoked at SCM."""

    event_type = "certificate.revoked"
    reason_code: str = Field(description="the reason, in the words of `revoke` or in SCM's")
    revoked_at: AwareDatetime


class CertificateDeleted(EventData):
    """A certificate was deleted from certline, with its key; nothing has changed at SCM."""

    event_type = "certificate.deleted"
    certificate_id: CertificateId
    line_id: str = Field(description="the line (all renewals and reissues) that it belonged to")
    scm_id: int
    common_name: str
    serial_number: SerialNumber
    sha256_fingerprint: Fingerprint
    status: CertificateStatus = Field(description="its status when it was deleted")


class CertificateExpiring(_AboutACertificate):
    """An active certificate expires soon: published once each at 30, 14, 7, 3 and 1 days before its expiry."""

    event_type = "certificate.expiring"
    not_after: NotAfter
    days: ExpiryThreshold = Field(description="the threshold, in days before expiry")
    days_left: int = Field(description="whole days until it expires, rounded down")
    renewal: RenewalState = Field(description="what certline is doing about it")
    renews_at: AwareDatetime | None = Field(description="the day of its auto-renewal (planned)")
    order_id: str | None = Field(description="certline's id of the successor's order (open)")
    reason: str | None = Field(description="an explanation, if there is more to say")


class AccountSuspended(EventData):
    """SCM refuses the login: no calls are made with the account until an operator has repaired it."""

    event_type = "account.suspended"
    account: AccountName
    reason: str


class Names(EventPart):
    """Names of what was added, changed and gone: the first of each kind; empty kinds are left out."""

    added: list[str] = Field(default=[])
    changed: list[str] = Field(default=[])
    gone: list[str] = Field(default=[])


class Synced(EventPart):
    """Result of a sync for one kind of object."""

    total: Counted
    added: Counted
    changed: Counted
    gone: Counted
    names: Names


class SyncCompleted(EventData):
    """A sync has read the requested kinds of objects from SCM; kinds that were not requested are left out."""

    event_type = "sync.completed"
    account: AccountName
    organizations: Synced | None = None
    domains: Synced | None = None
    profiles: Synced | None = None
    custom_fields: Synced | None = None


class PollCompleted(EventData):
    """A requested poll has ended: SCM was asked about the order, or all pending orders are being asked about.

    Changes of an order's status are published as its own events.
    """

    event_type = "poll.completed"
    orders: Counted = Field(description="pending orders that the poll was about")
    order_id: str | None = Field(
        default=None, description="certline's id of the order, if one was named"
    )
    account: str | None = Field(
        default=None, description="its account at SCM, by its name in certline"
    )
    scm_id: int | None = Field(default=None, description="SCM's id of the order (sslId)")
    common_name: str | None = None
    status: OrderStatus | None = Field(
        default=None, description="the order's status after the poll"
    )
    scm_status: str | None = Field(default=None, description="SCM's own word for the status")
    certificate_id: str | None = Field(
        default=None, description="certline's id of its certificate, once stored"
    )


class RenewalRefusal(EventPart):
    """A certificate that was due for renewal and needs an operator."""

    certificate_id: CertificateId
    common_name: str
    reason: str | None


class AutoRenewCompleted(EventData):
    """A run of auto-renewal has decided about every certificate that was due."""

    event_type = "auto_renew.completed"
    run_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    looked_at: Counted = Field(description="certificates selected for auto-renewal")
    due: Counted
    renewed: Counted = Field(description="a renewal was requested")
    skipped: Counted = Field(description="a renewal is already in progress")
    held: Counted = Field(description="postponed, and renewed automatically later")
    refused: Counted = Field(description="an operator has to act first")
    failed: Counted = Field(description="requested, and failed by the end of the run")
    refusals: list[RenewalRefusal] = Field(description="the first hundred")


class CommandRejected(EventData):
    """A command was not accepted, and nothing was done. Its sender may correct it and send it again."""

    event_type = "command.rejected"
    dead_letter: str = Field(description="id of the stored message (`certline dead-letter show`)")
    message_id: str | None = Field(description="the AMQP property `message_id`, if it was set")
    sender: str | None = Field(default=None, description="RabbitMQ's user who sent the message")
    problems: list[str] = Field(description="what is wrong; each begins with the field's name")


class CommandFailed(EventData):
    """A command was accepted, but could not be carried out.

    `data.command_id` names it: a deploy hook, for instance, is a command of its own below the order's.
    """

    event_type = "command.failed"
    command_id: str
    type: str = Field(description="the command's name, such as `order`")
    error: str
    status: Literal["failed", "review"] = Field(
        default="failed", description="`review`: its outcome is unclear, and an operator decides"
    )
