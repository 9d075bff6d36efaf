"""Copies of events for senders: RabbitMQ's permissions can then give each sender what concerns it, and no more.

An event is published once, with its type as routing key, and with one more routing key, `sender.NAME.TYPE`, for
each sender that it concerns. Topic permissions on the exchange limit a sender's bindings to the latter.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from certline.models.commands.admission import LEGACY
from certline.models.events.outbox import EVENTS, Outbox
from certline.models.senders.ownership import senders_behind

# First word of these routing keys; no type of event begins with it.
COPY = "sender"


def copy_for(sender: str, kind: str) -> str:
    """Return the further routing key of an event of that type for a sender."""
    return f"{COPY}.{sender}.{kind}"


def concerned(db: Session, rows: Sequence[Outbox]) -> dict[int, list[str]]:
    """Return the senders whom outbox rows concern, by the row's id; none for messages that are not events.

    An event concerns the sender of its command, and the owner of the order or certificate that it is about. The
    legacy sender has no copies: it stands for several systems.
    """
    events = [row for row in rows if row.exchange == EVENTS]
    found: dict[int, set[str]] = {row.id: set() for row in rows}
    if events:
        behind = senders_behind(
            db,
            set(filter(_is_command, (str(row.body.get("correlationid")) for row in events))),
            {str(row.body["subject"]) for row in events if "subject" in row.body},
        )
        for row in events:
            named = (row.body.get("correlationid"), row.body.get("subject"))
            found[row.id].update(row.senders, *(behind.get(str(key), set()) for key in named))
    return {own_id: sorted(whom - {LEGACY}) for own_id, whom in found.items()}


def _is_command(text: str) -> bool:
    # A run of auto-renewal is correlated by an id of its own kind.
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
