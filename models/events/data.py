"""What events say, by type: ids and public facts, never a secret. Receivers rely on each field."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from certline.models.states import CertificateStatus, OrderStatus

OrderId = Annotated[str, Field(description="our id of the order")]
CertificateId = Annotated[str, Field(description="our id of the certificate")]
AccountName = Annotated[str, Field(description="the account at SCM, by its name here")]
SerialNumber = Annotated[str, Field(description="serial number, hexadecimal")]
Fingerprint = Annotated[str, Field(description="SHA-256 of the certificate (DER), hexadecimal")]
NotAfter = Annotated[AwareDatetime, Field(description="when the certificate expires")]
Counted = Annotated[int, Field(ge=0)]


class EventData(BaseModel):
    """What all events share: what is said has the type that is documented, and is documented."""

    model_config = ConfigDict(extra="forbid")


class _AboutAnOrder(EventData):
    order_id: OrderId
    account: AccountName
    scm_id: int | None = Field(description="SCM's id of the order (sslId), once SCM has it")
    common_name: str
    sans: list[str] = Field(description="further names, without the common name")
    status: OrderStatus = Field(description="where the order stands")
    certificate_id: str | None = Field(description="our id of its certificate, once it is stored")


class OrderPlaced(_AboutAnOrder):
    """An order is written down with its key and CSR; SCM has not heard of it yet."""

    status: Literal[OrderStatus.PLACED]


class _Moved(_AboutAnOrder):
    reason: str | None = Field(description="why, where the move needs a word")


class OrderPending(_Moved):
    """SCM has the order and has not issued the certificate."""

    status: Literal[OrderStatus.PENDING]


class OrderIssued(_Moved):
    """SCM has issued; the certificate is fetched next. Also once a held order goes on."""

    status: Literal[OrderStatus.ISSUED]


class OrderHeld(_Moved):
    """SCM has issued, and no licence is left: the order waits, and goes on by itself."""

    status: Literal[OrderStatus.HELD]


class OrderRejected(_Moved):
    """SCM has refused the order; the reason is SCM's."""

    status: Literal[OrderStatus.REJECTED]


class OrderCancelled(_Moved):
    """The order was taken back, or what it brought is no longer in force."""

    status: Literal[OrderStatus.CANCELLED]


class OrderReview(_Moved):
    """What became of the order is unclear: a person has to decide (`certline order resolve`)."""

    status: Literal[OrderStatus.REVIEW]


class CertificateStored(_AboutAnOrder):
    """A certificate is fetched, checked and stored. Whoever deploys it may export it now."""

    status: Literal[OrderStatus.STORED]
    certificate_id: CertificateId
    serial_number: SerialNumber
    sha256_fingerprint: Fingerprint
    not_after: NotAfter


class _Succeeded(CertificateStored):
    supersedes: str | None = Field(description="our id of the certificate whose place it takes")
    reason: str | None = Field(description="why, where somebody gave a reason")


class CertificateRenewed(_Succeeded):
    """A renewal has taken its predecessor's place. `certificate.stored` is told of it as well."""


class CertificateReissued(_Succeeded):
    """A reissue has taken its predecessor's place. `certificate.stored` is told of it as well."""


class _AboutACertificate(EventData):
    certificate_id: CertificateId
    account: AccountName
    scm_id: int
    common_name: str
    sans: list[str]
    serial_number: SerialNumber


class CertificateRevoked(_AboutACertificate):
    """A certificate is revoked at SCM."""

    reason_code: str = Field(description="why, in the words of `revoke`, or in SCM's")
    revoked_at: AwareDatetime


class CertificateDeleted(EventData):
    """A certificate is forgotten here, with its key; nothing has changed at SCM."""

    certificate_id: CertificateId
    line_id: str = Field(description="the line of renewals and reissues that it belonged to")
    scm_id: int
    common_name: str
    serial_number: SerialNumber
    sha256_fingerprint: Fingerprint
    status: CertificateStatus = Field(description="what it was when it was deleted")


class CertificateExpiring(_AboutACertificate):
    """A certificate that is in force ends in so many days: told once at 30, 14, 7, 3 and 1."""

    not_after: NotAfter
    days: Literal[30, 14, 7, 3, 1] = Field(description="which of the days it is told at")
    days_left: int = Field(description="whole days until it ends, rounded down")
    renewal: Literal["planned", "open", "waits_for_person", "nothing"] = Field(
        description="what the line is doing about it"
    )
    renews_at: AwareDatetime | None = Field(description="the day of its auto-renewal (planned)")
    order_id: str | None = Field(description="our id of the successor's order (open)")
    reason: str | None = Field(description="in words, where there is more to say")


class LicenseExhausted(EventData):
    """An issued certificate found no licence, and is held."""

    capacity: Counted
    used: Counted
    held: Counted = Field(description="how many orders wait for room")


class LicenseReleased(EventData):
    """There is room again: held orders go on."""

    orders: list[str] = Field(description="our ids of the orders that go on, the oldest first")
    reason: str = Field(description="what made room")


class AccountSuspended(EventData):
    """SCM refuses the login: nothing is asked of that account until a person has mended it."""

    account: AccountName
    reason: str


class Names(EventData):
    """The first names of each kind; a kind without any is left out."""

    added: list[str] = []
    changed: list[str] = []
    gone: list[str] = []


class Synced(EventData):
    """What a sync found of one kind of thing."""

    total: Counted
    added: Counted
    changed: Counted
    gone: Counted
    names: Names


class SyncCompleted(EventData):
    """What was asked for has been read from SCM; kinds that were not asked for are left out."""

    account: AccountName
    organizations: Synced | None = None
    domains: Synced | None = None
    profiles: Synced | None = None
    custom_fields: Synced | None = None


class ImportFailure(EventData):
    """A record of SCM's that could not be taken in."""

    scm_id: int
    reason: str | None


class ImportNews(EventData):
    """What was done at SCM and not by certline."""

    new: Counted
    replaced: Counted
    renewed: Counted
    revoked: Counted
    auto_renew: Counted = Field(description="SCM renews these by itself")


class ImportCompleted(EventData):
    """An import has looked at everything that SCM listed."""

    account: AccountName
    total: Counted | None = Field(description="how many there are, where SCM says so")
    listed: Counted
    known: Counted = Field(description="here before, and unchanged")
    new: Counted = Field(description="not here, and not asked for")
    stored: Counted
    held: Counted = Field(description="issued, and no licence is left")
    pending: Counted
    closed: Counted = Field(description="refused, expired, revoked or replaced at SCM")
    updated: Counted
    left: Counted = Field(description="perhaps an order of ours that is on its way")
    failed: Counted
    news: ImportNews
    failures: list[ImportFailure] = Field(description="the first hundred")


class RenewalRefusal(EventData):
    """A certificate that was due, and needs a person."""

    certificate_id: CertificateId
    common_name: str
    reason: str | None


class AutoRenewCompleted(EventData):
    """A run of the auto-renewal has decided about every certificate that was due."""

    run_id: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    looked_at: Counted = Field(description="certificates that are selected")
    due: Counted
    renewed: Counted = Field(description="a renewal was asked for")
    skipped: Counted = Field(description="a renewal is on its way already")
    held: Counted = Field(description="it goes on by itself, later")
    refused: Counted = Field(description="not without a person")
    failed: Counted = Field(description="asked for, and came to nothing by the end of the run")
    refusals: list[RenewalRefusal] = Field(description="the first hundred")


class CommandRejected(EventData):
    """A command was not taken, and nothing has been done. Its sender may mend it and send it again."""

    dead_letter: str = Field(description="where the message is kept (`certline dead-letter show`)")
    message_id: str | None = Field(description="the AMQP property, where it was set")
    problems: list[str] = Field(description="what is wrong; each begins with the field's name")


class CommandFailed(EventData):
    """A command was taken, and could not be done."""

    command_id: str
    type: str = Field(description="the command's name, such as `order`")
    error: str
