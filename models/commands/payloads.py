"""The commands' data, typed: the same whether typed at the CLI or sent by another system."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic import StringConstraints as Text

from certline.models.commands.fields import (
    Address,
    CertificateName,
    DnsName,
    Duration,
    IdOrName,
    KeyAlgorithm,
    KeySize,
    KeystoreType,
    OrderName,
    Reason,
    ReasonCode,
    ScmWord,
    SslId,
)
from certline.models.validation import BadCommandError, problems_of


class Payload(BaseModel):
    """What all commands share: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str | None = None

    @field_validator("*")
    @classmethod
    def _has_no_nul(cls, value: object) -> object:
        # Postgres stores any character but this one.
        if any("\0" in text for text in _texts(value)):
            raise ValueError("contains the character NUL")
        return value


class SyncCommand(Payload):
    """Read organisations, domains and profiles (with custom fields) from SCM."""

    resources: list[Literal["organizations", "domains", "profiles"]] = [
        "organizations",
        "domains",
        "profiles",
    ]


class OrderCommand(Payload):
    """Order a certificate. Lengths are SCM's (scm-api: limits); `term` is in days."""

    common_name: DnsName
    sans: list[DnsName] = []
    organization: IdOrName
    profile: IdOrName
    term: int = Field(gt=0, le=36_500, strict=True)
    key_algorithm: KeyAlgorithm = "RSA"
    key_size: KeySize = "2048"
    keystore_type: KeystoreType = "PKCS12"
    keystore_password_sealed: str | None = None
    comments: str = Field(default="", max_length=1024)
    external_requesters: list[Address] = []
    custom_fields: dict[
        Annotated[str, Text(min_length=1, max_length=256)], Annotated[str, Text(max_length=256)]
    ] = {}
    csr: str | None = Field(default=None, max_length=32767)
    # A second one on purpose, where the same is on order already.
    again: bool = Field(default=False, strict=True)


class ImportCommand(Payload):
    """Take in what SCM holds already: everything, what a filter shows, or the named sslIds.

    `dry_run`: only say what would come. `known`: only look for news of what is here.
    """

    status: ScmWord | None = None
    organization: IdOrName | None = None
    profile: IdOrName | None = None
    common_name: DnsName | None = None
    order: list[SslId] = Field(default=[], max_length=1000)
    dry_run: bool = Field(default=False, strict=True)
    known: bool = Field(default=False, strict=True)

    @property
    def filtered(self) -> bool:
        """Whether it is about a part of what SCM holds."""
        return any((self.status, self.organization, self.profile, self.common_name))

    @model_validator(mode="after")
    def _names_or_filters(self) -> "ImportCommand":
        if self.order and self.filtered:
            raise ValueError("should name orders or filters, and not both")
        return self


class PollCommand(Payload):
    """Ask SCM how an order stands; without `order`: every order that SCM has not issued yet."""

    order: OrderName | None = None


class RenewCommand(Payload):
    """Renew a certificate: a successor with a fresh key, and otherwise the same.

    `reuse_key`: with the key that it has, where that is kept here.
    """

    certificate: CertificateName
    reuse_key: bool = Field(default=False, strict=True)
    # A second one on purpose, where one is on order already or SCM says that it was renewed.
    again: bool = Field(default=False, strict=True)


class ReissueCommand(Payload):
    """Have a certificate made anew under its sslId: with a fresh key, and with what is named here."""

    certificate: CertificateName
    reason: Reason
    common_name: DnsName | None = None
    sans: list[DnsName] | None = None
    key_algorithm: KeyAlgorithm | None = None
    key_size: KeySize | None = None
    keystore_type: KeystoreType | None = None
    keystore_password_sealed: str | None = None
    # Seconds from the storing of the new certificate to the revocation of the one before it.
    revoke_old_after: Duration | None = None


class RevokeCommand(Payload):
    """Revoke a certificate, or that of an order; `comments` go to SCM as its reason."""

    certificate: CertificateName | None = None
    order: OrderName | None = None
    comments: Reason
    reason_code: ReasonCode = "unspecified"

    @model_validator(mode="after")
    def _names_one(self) -> "RevokeCommand":
        if (self.certificate is None) == (self.order is None):
            raise ValueError("should name a certificate or an order, and not both")
        return self


class CancelCommand(Payload):
    """Take back an order that SCM has not issued; `comments` go to SCM."""

    order: OrderName
    comments: Reason


class DeleteCommand(Payload):
    """Forget an order, or a certificate with its line; nothing changes at SCM.

    `yes`: though orders are open.
    """

    order: OrderName | None = None
    certificate: CertificateName | None = None
    comments: Reason | None = None
    yes: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _names_one(self) -> "DeleteCommand":
        if (self.certificate is None) == (self.order is None):
            raise ValueError("should name a certificate or an order, and not both")
        return self


class FetchCommand(Payload):
    """Fetch an issued certificate and store it: the line's own follow-up."""

    order: str


class ImportBatchCommand(Payload):
    """Look at some records of an import: the line's own."""

    import_id: str
    batch: int


class ReconcileCommand(Payload):
    """Find out at SCM what became of an order that was sent and not answered: the line's own."""

    order: str


class HookCommand(Payload):
    """Run a deploy hook for a certificate: the line's own. `name` and `common_name` are for people."""

    hook: str
    name: str
    certificate: str
    common_name: str


class WebhookCommand(Payload):
    """Post an event to a webhook: the line's own."""

    webhook: str
    event: dict[str, Any]


PAYLOADS: dict[str, type[Payload]] = {
    "sync": SyncCommand,
    "order": OrderCommand,
    "poll": PollCommand,
    "renew": RenewCommand,
    "reissue": ReissueCommand,
    "revoke": RevokeCommand,
    "cancel": CancelCommand,
    "delete": DeleteCommand,
    "import": ImportCommand,
    "fetch": FetchCommand,
    "reconcile": ReconcileCommand,
    "import_batch": ImportBatchCommand,
    "hook": HookCommand,
    "webhook": WebhookCommand,
}

# The line's own follow-ups: nobody outside asks for them.
OWN = frozenset({"fetch", "reconcile", "import_batch", "hook", "webhook"})
# What other systems may send, by name (contract: commands in).
PUBLIC = tuple(name for name in PAYLOADS if name not in OWN)


def read_payload(kind: str, data: dict[str, Any]) -> Payload:
    """A command's data as a typed value. Raises BadCommandError, which names each bad field."""
    try:
        return PAYLOADS[kind].model_validate(data)
    except ValidationError as error:
        raise BadCommandError(problems_of(error)) from None


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))
    elif isinstance(value, dict):
        yield from (*value, *value.values())
