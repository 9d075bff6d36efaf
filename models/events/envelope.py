"""Published events: CloudEvents 1.0, with one versioned schema per type.

Fields may be added to a version; changing or removing a field requires a new version.
"""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic import StringConstraints as Text

from certline.models.events import (
    audit_data,
    data,
    domain_data,
    import_data,
    license_data,
    recovery_data,
)
from certline.models.events.base import EventData
from certline.models.validation import problems_of

SOURCE = "certline"

# Every type that is published, with the class of its data (docs/events.md).
EVENT_DATA: dict[str, type[EventData]] = {
    each.event_type: each
    for each in (
        data.OrderPlaced,
        data.OrderPending,
        data.OrderIssued,
        data.OrderHeld,
        data.OrderRejected,
        data.OrderCancelled,
        data.OrderReview,
        data.OrderDeleted,
        data.CertificateStored,
        data.CertificateRenewed,
        data.CertificateReissued,
        data.CertificateRevoked,
        data.CertificateDeleted,
        data.CertificateExpiring,
        license_data.LicenseExhausted,
        license_data.LicenseReleased,
        license_data.LicenseExpiring,
        domain_data.DomainValidated,
        domain_data.DomainValidationFailed,
        domain_data.DomainValidationWaiting,
        domain_data.DomainValidationExpiring,
        data.AccountSuspended,
        data.SyncCompleted,
        import_data.ImportCompleted,
        data.PollCompleted,
        data.AutoRenewCompleted,
        data.CommandRejected,
        data.CommandFailed,
        audit_data.AuditHeadPublished,
        recovery_data.RecoveryStarted,
        recovery_data.RecoveryEnded,
    )
}

Id = Annotated[str, Text(min_length=1)]


class EventEnvelope(BaseModel):
    """CloudEvents attributes around an event's data."""

    model_config = ConfigDict(extra="forbid")

    specversion: Literal["1.0"]
    id: Id = Field(description="the event's id: the same for each delivery of the event")
    source: Literal["certline"]
    type: Id = Field(description="also the routing key")
    time: AwareDatetime = Field(description="when it happened")
    datacontenttype: Literal["application/json"]
    dataschema: Id = Field(description="the version of the data")
    subject: Id | None = Field(default=None, description="the id of the object it is about")
    correlationid: Id | None = Field(
        default=None, description="the id of the command that everything began with"
    )
    causationid: Id | None = Field(
        default=None, description="the id of the command that was running when it happened"
    )
    traceparent: Id | None = Field(
        default=None,
        description="the trace that it belongs to (W3C Trace Context), as the CloudEvents extension "
        "for distributed tracing says",
    )
    data: dict[str, Any]


def schema_of(kind: str) -> str:
    """Return the URI of the schema of an event type's data, with its version."""
    return f"certline:event/{kind}/v1"


def new_event(kind: str, data: dict[str, Any], *, subject: str | None) -> dict[str, Any]:
    """Return a CloudEvent 1.0 of ours, with an id of its own, that happens now."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": SOURCE,
        "type": kind,
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": schema_of(kind),
        "data": data,
    }
    if subject is not None:
        event["subject"] = subject
    return event


def problems_of_event(event: dict[str, Any]) -> list[str]:
    """Return the problems of an event to be published, one sentence each; any of them is a bug of certline."""
    try:
        envelope = EventEnvelope.model_validate(event)
    except ValidationError as error:
        return problems_of(error)
    if envelope.type not in EVENT_DATA:
        return [f"type: there is no event {envelope.type!r}"]
    if envelope.dataschema != schema_of(envelope.type):
        return [f"dataschema: {envelope.dataschema!r} is not the schema of {envelope.type}"]
    try:
        EVENT_DATA[envelope.type].model_validate(envelope.data)
    except ValidationError as error:
        return [f"data.{problem}" for problem in problems_of(error)]
    return []
