"""Data of the events about the validation of domains."""

from typing import Annotated

from pydantic import Field

from certline.models.events.base import EventData
from certline.models.events.data import AccountName
from certline.models.states import ValidationMethod

Expires = Annotated[
    str | None,
    Field(description="the last day of the validation, such as 2027-03-31; null if SCM names none"),
]


class _AboutADomain(EventData):
    domain: str = Field(description="the domain; its validation covers all names below it")
    account: AccountName
    method: ValidationMethod | None = Field(description="how it is proven to the CA")


class DomainValidated(_AboutADomain):
    """A domain is validated. With `renewed` false nothing was done: its validation lasted long enough."""

    event_type = "domain.validated"
    expires: Expires
    validation_id: str | None = Field(description="certline's id of the validation")
    renewed: bool = Field(default=True, description="whether it was validated anew")


class DomainValidationFailed(_AboutADomain):
    """A validation has failed: an operator has to act. What was expected and what was found is in the reason."""

    event_type = "domain.validation_failed"
    validation_id: str
    expires: Expires
    reason: str


class DomainValidationWaiting(_AboutADomain):
    """A record or a file has to be made by hand; certline sees it by itself, and goes on."""

    event_type = "domain.validation_waiting"
    validation_id: str
    record: str = Field(description="name of the record, or URL of the file")
    value: str = Field(
        description="target of the CNAME, text of the TXT record, or the file's lines"
    )
