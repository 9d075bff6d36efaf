"""A change's event and audit entry, stored in one statement: each move of an order has both."""

from typing import Any, cast

from sqlalchemy import Table, bindparam, insert
from sqlalchemy.orm import Session

from certline.models.audit.log import AuditEntry
from certline.models.database.bulk import write
from certline.models.database.session import WAKE
from certline.models.events.base import EventData
from certline.models.events.outbox import Outbox, event_row
from certline.models.events.trace_context import traceparent_in

_ENTRY = cast("Table", AuditEntry.__table__)
_ENTRY_NAMES = ("type", "subject", "command_id", "who", "claimed", "why", "data")
_EVENT = cast("Table", Outbox.__table__)
_EVENT_NAMES = ("event_id", "exchange", "routing_key", "body", "mandatory")
_BOTH = (
    insert(_EVENT)
    .inline()
    .values(
        {
            **{name: bindparam(name, type_=_EVENT.c[name].type) for name in _EVENT_NAMES},
            "senders": [],
            "attempts": 0,
        }
    )
    .add_cte(
        insert(_ENTRY)
        .inline()
        .values(
            {name: bindparam(f"entry_{name}", type_=_ENTRY.c[name].type) for name in _ENTRY_NAMES}
        )
        .cte("entry")
    )
)


def announce(
    db: Session,
    data: EventData,
    noted: dict[str, Any],
    *,
    subject: str,
    correlation_id: str | None,
) -> None:
    """Store an event and the audit entry of its change (made by `models.audit.log.entry`).

    Sets WAKE, so that the commit wakes the relay (`Database.transaction`).
    """
    row = event_row(
        data,
        subject=subject,
        correlation_id=correlation_id,
        traceparent=traceparent_in(db.info),
    )
    write(db, _BOTH, {**row, **{f"entry_{name}": noted[name] for name in _ENTRY_NAMES}})
    db.info[WAKE] = True
