"""Typed payloads of the commands, the same for the CLI and for other systems."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic import StringConstraints as Text

from certline.models.commands.fields import (
    MOST_ADDRESSES,
    MOST_CUSTOM_FIELDS,
    Address,
    CertificateName,
    DnsName,
    DnsNames,
    Duration,
    IdOrName,
    KeyAlgorithm,
    KeySize,
    KeystoreType,
    OrderName,
    Reason,
    ReasonCode,
    ScmWord,
    SealedText,
    SigningRequestText,
    SslId,
)
from certline.models.csr.key_search import private_key_in
from certline.models.csr.private_key import REFUSAL
from certline.models.validation import BadCommandError, problems_of, texts_in, unfit_character

# Context of a validation of data that were searched for private keys already.
SEARCHED = {"searched": True}


class Payload(BaseModel):
    """Base class of all payloads; unknown fields are refused."""

    # Without the input in errors: it may hold a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account: Annotated[str, Text(min_length=1, max_length=255)] | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _has_no_private_key(cls, value: object, info: ValidationInfo) -> object:
        # Before all other validators, whose errors repeat parts of the value.
        if info.context is not SEARCHED and private_key_in(value) is not None:
            raise ValueError(REFUSAL)
        return value

    @field_validator("*")
    @classmethod
    def _is_text(cls, value: object) -> object:
        # Postgres cannot store NUL and halves of surrogate pairs; other control characters would act on the
        # terminal of whoever reads the text.
        found = next(filter(None, map(unfit_character, texts_in(value))), None)
        if found is not None:
            raise ValueError(f"contains {found}")
        return value


AnyPayload = TypeVar("AnyPayload", bound=Payload)


class SyncCommand(Payload):
    """Read organisations, domains and profiles (with custom fields) from SCM."""

    resources: list[Literal["organizations", "domains", "profiles"]] = Field(
        default=["organizations", "domains", "profiles"], max_length=10
    )


class OrderCommand(Payload):
    """Order a certificate. The length limits are SCM's (SCM document: limits); `term` is in days.

    A key type that is not given is the first usual one that the profile allows.
    """

    common_name: DnsName
    sans: DnsNames = []
    organization: IdOrName
    profile: IdOrName
    term: int = Field(gt=0, le=36_500, strict=True)
    key_algorithm: KeyAlgorithm | None = None
    key_size: KeySize | None = None
    keystore_type: KeystoreType = "PKCS12"
    keystore_password_sealed: SealedText | None = None
    comments: str = Field(default="", max_length=1024)
    external_requesters: list[Address] = Field(default=[], max_length=MOST_ADDRESSES)
    custom_fields: dict[
        Annotated[str, Text(min_length=1, max_length=256)], Annotated[str, Text(max_length=256)]
    ] = Field(default={}, max_length=MOST_CUSTOM_FIELDS)
    csr: SigningRequestText | None = None
    # Order a second certificate on purpose, although the same one is on order already.
    again: bool = Field(default=False, strict=True)


class ImportCommand(Payload):
    """Import certificates that exist at SCM: all, those that match the filters, or those with the given sslIds.

    `dry_run`: only report what would be imported. `known`: only look for changes of stored
    orders, and for their renewals.
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
        """True if any filter is set."""
        return any((self.status, self.organization, self.profile, self.common_name))

    @model_validator(mode="after")
    def _names_or_filters(self) -> "ImportCommand":
        if self.order and self.filtered:
            raise ValueError("should name either orders or filters, not both")
        return self


class PollCommand(Payload):
    """Poll SCM for the status of an order; without `order`, of every order that SCM has not issued yet."""

    order: OrderName | None = None


class RenewCommand(Payload):
    """Renew a certificate: order a successor with the same names and a new key.

    The new key is of the same kind as before, or the nearest that the profile allows, unless `key_algorithm` or
    `key_size` names another. `reuse_key`: keep the present key, if certline stores it.
    `without_other_names`: renew it although the new certificate may lack its IP addresses, mail addresses and
    URIs.
    """

    certificate: CertificateName
    key_algorithm: KeyAlgorithm | None = None
    key_size: KeySize | None = None
    reuse_key: bool = Field(default=False, strict=True)
    without_other_names: bool = Field(default=False, strict=True)
    # Renew once more on purpose, although a renewal is on order or in force already, or SCM reports one.
    again: bool = Field(default=False, strict=True)

    @model_validator(mode="after")
    def _one_key(self) -> "RenewCommand":
        if self.reuse_key and (self.key_algorithm or self.key_size):
            raise ValueError(
                "should either use the present key again (reuse_key) or name another kind of key "
                "(key_algorithm, key_size)"
            )
        return self


class ReissueCommand(Payload):
    """Reissue a certificate under the same sslId with a new key and the changes given in this command.

    `without_other_names`: reissue it although the new certificate may lack its IP addresses, mail addresses and
    URIs.
    """

    certificate: CertificateName
    reason: Reason
    common_name: DnsName | None = None
    sans: DnsNames | None = None
    without_other_names: bool = Field(default=False, strict=True)
    key_algorithm: KeyAlgorithm | None = None
    key_size: KeySize | None = None
    keystore_type: KeystoreType | None = None
    keystore_password_sealed: SealedText | None = None
    # Seconds between storing the new certificate and revoking the old one; None: don't revoke it.
    revoke_old_after: Duration | None = None


class RevokeCommand(Payload):
    """Revoke a certificate, or the certificate of an order; `comments` are sent to SCM as the reason."""

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
    """Cancel an order that SCM has not issued yet; `comments` are sent to SCM."""

    order: OrderName
    comments: Reason


class DeleteCommand(Payload):
    """Delete an order, or a certificate with its line, from certline; nothing changes at SCM.

    `yes`: delete it even if orders are open.
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


class ValidateCommand(Payload):
    """Validate a domain at SCM (DCV): a validation covers every name below the domain.

    `dns`: name of the provider that publishes the proof; without it the one whose zones contain the name, or a
    person. `email`: the address that gets the CA's mail, only for the method `email`. `within`: do nothing if the
    present validation lasts for more than that many days.
    """

    domain: DnsName
    method: Literal["cname", "txt", "http", "https", "email"] | None = None
    dns: Annotated[str, Text(min_length=1, max_length=255)] | None = None
    email: Address | None = None
    within: int | None = Field(default=None, ge=0, le=3650, strict=True)

    @model_validator(mode="after")
    def _an_address_for_mail(self) -> "ValidateCommand":
        if self.email is not None and self.method != "email":
            raise ValueError("should give an address (email) only with the method email")
        if self.email is None and self.method == "email":
            raise ValueError("should give the address (email) that confirms: method email needs it")
        if self.dns is not None and self.method == "email":
            raise ValueError(
                "should not name a provider (dns) with the method email: there is no proof to publish"
            )
        return self


class FetchCommand(Payload):
    """Fetch an issued certificate and store it (internal)."""

    order: str


class ImportBatchCommand(Payload):
    """Process one batch of an import's records (internal)."""

    import_id: str
    batch: int


class ReconcileCommand(Payload):
    """Reconcile an order that was sent with an unknown outcome (internal)."""

    order: str


class HookCommand(Payload):
    """Run a deploy hook for a certificate (internal). `name` and `common_name` are only for display."""

    hook: str
    name: str
    certificate: str
    common_name: str


class WebhookCommand(Payload):
    """Post an event to a webhook (internal). `test`: a user's test, which is posted once and not retried."""

    webhook: str
    event: dict[str, Any]
    test: bool = False


class NotifyCommand(Payload):
    """Send a route's notices that are due (internal). `test`: who has asked for a test message, if one is sent."""

    route: str
    test: str | None = None


class DnsTestCommand(Payload):
    """Try a provider of proofs, by its id (internal). `domain`: below which; by default its first zone."""

    provider: str
    domain: str | None = None


def read_payload(
    payload: type[AnyPayload], data: dict[str, Any], *, searched: bool = False
) -> AnyPayload:
    """Return a command's data as its typed payload. Raises BadCommandError, naming every invalid field.

    `searched`: the data were searched for private keys already.
    """
    try:
        return payload.model_validate(data, context=SEARCHED if searched else None)
    except ValidationError as error:
        raise BadCommandError(problems_of(error)) from None
