"""Events as other systems receive them: CloudEvents 1.0, one schema for each type, versioned.

A field may be added to a version; one that is changed or taken away is a new version.
"""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic import StringConstraints as Text

from certline.models.events import data
from certline.models.validation import problems_of

SOURCE = "certline"

# Every type that is emitted, with what it says (contract: events out).
EVENT_DATA: dict[str, type[data.EventData]] = {
    "order.placed": data.OrderPlaced,
    "order.pending": data.OrderPending,
    "order.issued": data.OrderIssued,
    "order.held": data.OrderHeld,
    "order.rejected": data.OrderRejected,
    "order.cancelled": data.OrderCancelled,
    "order.review": data.OrderReview,
    "certificate.stored": data.CertificateStored,
    "certificate.renewed": data.CertificateRenewed,
    "certificate.reissued": data.CertificateReissued,
    "certificate.revoked": data.CertificateRevoked,
    "certificate.deleted": data.CertificateDeleted,
    "certificate.expiring": data.CertificateExpiring,
    "license.exhausted": data.LicenseExhausted,
    "license.released": data.LicenseReleased,
    "account.suspended": data.AccountSuspended,
    "sync.completed": data.SyncCompleted,
    "import.completed": data.ImportCompleted,
    "auto_renew.completed": data.AutoRenewCompleted,
    "command.rejected": data.CommandRejected,
    "command.failed": data.CommandFailed,
}

Id = Annotated[str, Text(min_length=1)]


class EventEnvelope(BaseModel):
    """What stands around an event's data."""

    model_config = ConfigDict(extra="forbid")

    specversion: Literal["1.0"]
    id: Id = Field(description="the event's own id: the same whenever the event comes again")
    source: Literal["certline"]
    type: Id = Field(description="also the routing key")
    time: AwareDatetime = Field(description="when it happened")
    datacontenttype: Literal["application/json"]
    dataschema: Id = Field(description="the version of the data")
    subject: Id | None = Field(default=None, description="the id of what it is about")
    correlationid: Id | None = Field(
        default=None, description="the id of the command that it all began with"
    )
    causationid: Id | None = Field(
        default=None, description="the id of the command that was being done when it happened"
    )
    data: dict[str, Any]


def schema_of(kind: str) -> str:
    """The URI of the schema of a type's data, with its version."""
    return f"certline:event/{kind}/v1"


def problems_of_event(event: dict[str, Any]) -> list[str]:
    """What is wrong with an event that is to go out: a fault of ours, a sentence each."""
    try:
        envelope = EventEnvelope.model_validate(event)
    except ValidationError as error:
        return problems_of(error)
    if envelope.type not in EVENT_DATA:
        return [f"type: there is no event {envelope.type!r}"]
    if envelope.dataschema != schema_of(envelope.type):
        return [f"dataschema: {envelope.dataschema!r} is not that of {envelope.type}"]
    try:
        EVENT_DATA[envelope.type].model_validate(envelope.data)
    except ValidationError as error:
        return [f"data.{problem}" for problem in problems_of(error)]
    return []
