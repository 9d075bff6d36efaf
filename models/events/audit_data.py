"""Data of the event about the audit log."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from certline.models.events.base import EventData


class AuditHeadPublished(EventData):
    """The present end of the audit log, once an hour: who keeps it can prove later that nothing was rewritten."""

    event_type = "audit.head"
    head: str = Field(
        pattern=r"^\d+(\+\d+)*:[0-9a-f]{64}$",
        description="the number of entries (of each lane of the chain, joined by +) and a hash, as "
        "`certline audit verify` prints it",
    )
    entries: Annotated[int, Field(ge=0)]
    at: AwareDatetime = Field(description="when this was the end of the log, by Postgres' clock")
