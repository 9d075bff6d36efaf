"""Data of the events about the validation of domains."""

from typing import Annotated, Literal

from pydantic import Field

from certline.models.events.base import EventData
from certline.models.events.data import AccountName
from certline.models.states import ValidationMethod

# `open`: a validation is under way; `planned`: one begins later by itself; `nothing`.
ValidationCare = Literal["open", "planned", "nothing"]
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


class DomainValidationExpiring(_AboutADomain):
    """The validation of a domain ends soon: published once for each threshold.

    30, 14, 7, 3 and 1 days before the last day on which it can be used, and no more than a third, a sixth, a
    twelfth, a thirtieth and a sixtieth of its life: with 10 days it is 3 days, 1 day, and the last day itself.
    """

    event_type = "domain.validation_expiring"
    expires: str = Field(
        description="the last day of the validation as SCM says, such as 2027-03-31"
    )
    last_day: str = Field(
        description="the last day on which it can be used: earlier where a step of ballot SC-081v3 ends it"
    )
    days: int = Field(ge=0, description="the threshold, in days before the last day")
    days_left: int = Field(description="days until the last day; negative if it is over")
    certificates: int = Field(ge=0, description="active certificates with names below the domain")
    renewal: ValidationCare = Field(description="what certline is doing about it")
    begins: str | None = Field(
        default=None, description="the day on which a validation begins (planned)"
    )
    validation_id: str | None = Field(
        default=None, description="certline's id of the validation that is under way (open)"
    )
