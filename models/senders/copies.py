"""Copies of events for senders: RabbitMQ's permissions can then give each sender what concerns it, and no more.

An event is published once, with its type as routing key, and with one more routing key, `sender.NAME.TYPE`, for
each sender that it concerns. Topic permissions on the exchange limit a sender's bindings to the latter.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from certline.models.commands.admission import LEGACY
from certline.models.events.due import DueMessage
from certline.models.senders.ownership import senders_behind

# First word of these routing keys; no type of event begins with it.
COPY = "sender"


def copy_for(sender: str, kind: str) -> str:
    """Return the further routing key of an event of that type for a sender."""
    return f"{COPY}.{sender}.{kind}"


def address_copies(db: Session, events: Sequence[DueMessage]) -> None:
    """Set the copies of events, for the senders whom they concern.

    An event concerns the sender of its command, and the owner of the order or certificate that it is about. The
    legacy sender has no copies: it stands for several systems.
    """
    told = [(event, _named(event.body)) for event in events]
    if not told:
        return
    behind = senders_behind(
        db,
        {command for _, (command, _) in told if _is_command(command)},
        {subject for _, (_, subject) in told if subject},
    )
    for event, named in told:
        whom = set(event.senders or ()).union(*(behind.get(key, set()) for key in named))
        event.copies = [copy_for(name, event.routing_key) for name in sorted(whom - {LEGACY})]


def _named(body: dict[str, Any]) -> tuple[str, str]:
    """Return the ids of command and subject that an event names; empty if it names none."""
    return str(body.get("correlationid", "")), str(body.get("subject", ""))


def _is_command(text: str) -> bool:
    # A run of auto-renewal is correlated by an id of its own kind.
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
